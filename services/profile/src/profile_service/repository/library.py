"""What is published, as conditions refer to it. Read after the customers are locked, as everything concluded from."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition
from profile_service.conditions import Library, RankEntry, RankTable
from servicekit.database import raw

CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)

_SELECT_PUBLISHED = """
SELECT segment_id, key, version, published_condition AS condition, 0 AS position
FROM segments WHERE version > 0 AND archived_at IS NULL
UNION ALL
SELECT NULL, r.key, t.version, r.condition, r.position FROM ranks r, rank_tables t ORDER BY position, key
"""


@dataclass(frozen=True)
class PublishedDefinition:
    """A segment, or a rank (segment_id None), as published."""

    segment_id: UUID | None
    key: str
    version: int
    condition: Condition


@dataclass(frozen=True)
class Published:
    """Segments by key, then ranks, lowest first; and all that can be referred to."""

    definitions: tuple[PublishedDefinition, ...] = ()
    library: Library = field(default_factory=Library)
    state: tuple[object, ...] = ()
    """What it was read from: equal as long as nothing was published."""


async def read_published(session: AsyncSession, *, known: Published) -> Published:
    """What is published now; `known` itself if that is still so."""
    rows = await (await raw(session)).fetch(_SELECT_PUBLISHED)
    state = tuple((row["segment_id"], row["key"], row["version"]) for row in rows)
    if state == known.state:
        return known
    parsed = {(each.segment_id, each.key, each.version): each.condition for each in known.definitions}
    definitions = tuple(
        PublishedDefinition(*place, parsed.get(place) or CONDITION.validate_python(row["condition"]))
        for place, row in zip(state, rows, strict=True)
    )
    return Published(definitions, _library(definitions), state)


def _library(definitions: tuple[PublishedDefinition, ...]) -> Library:
    segments = {each.key: each.condition for each in definitions if each.segment_id is not None}
    return Library(segments=segments, ranks={"default": RankTable(tuple(_ranks(definitions)))})


def _ranks(definitions: tuple[PublishedDefinition, ...]) -> Iterator[RankEntry]:
    for each in definitions:
        if each.segment_id is None:
            yield RankEntry(each.key, each.condition)


async def read_library(session: AsyncSession) -> Library:
    """What a condition may refer to now."""
    return (await read_published(session, known=Published())).library
