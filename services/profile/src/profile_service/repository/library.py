"""What is published, as conditions refer to it. Read after the customers are locked, as everything concluded from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.conditions import Condition, Value, ValueCondition
from profile_service.conditions import CutPoints, Library, PublishedSign, RankEntry, RankTable
from profile_service.rules.lifecycle import DEFAULT, Lifecycle, lifecycle_conditions
from servicekit.database import raw

CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)
VALUE: TypeAdapter[Value] = TypeAdapter(Value)

# Computed traits and cut points may be deleted and made again, beginning with version 1: a row's `xmin` never
# comes back.
_STATE = """
SELECT 'segment' AS kind, segment_id, key, version::bigint AS version, 0 AS position FROM segments
WHERE version > 0 AND archived_at IS NULL
UNION ALL SELECT 'sign', sign_id, key, version, 0 FROM signs WHERE version > 0 AND archived_at IS NULL
UNION ALL SELECT 'rank', NULL, r.key, t.version, r.position FROM ranks r, rank_tables t
UNION ALL SELECT 'measure', NULL, key, version, 0 FROM rank_tables WHERE measure IS NOT NULL
UNION ALL SELECT 'computed', NULL, key, xmin::text::bigint, 0 FROM computed_traits
UNION ALL SELECT 'lifecycle', NULL, key, version, 0 FROM value_settings WHERE key = 'lifecycle'
UNION ALL SELECT 'cuts', NULL, subject, (array_agg(xmin::text::bigint ORDER BY version DESC))[1], 0 FROM cut_points
GROUP BY subject
"""
_SELECT_STATE = f"SELECT kind, segment_id, key, version FROM ({_STATE}) AS s ORDER BY kind DESC, position, key"  # noqa: S608  # ours
_SELECT_PUBLISHED = f"""
SELECT s.kind, s.segment_id, s.key, s.version, r.threshold,
       CASE s.kind
           WHEN 'segment' THEN (SELECT published_condition FROM segments g WHERE g.segment_id = s.segment_id)
           WHEN 'sign' THEN (SELECT published FROM signs g WHERE g.sign_id = s.segment_id)
           WHEN 'rank' THEN r.condition
           WHEN 'measure' THEN (SELECT measure FROM rank_tables t WHERE t.key = s.key)
           WHEN 'computed' THEN (SELECT value FROM computed_traits c WHERE c.key = s.key)
           WHEN 'lifecycle' THEN (SELECT document FROM value_settings v WHERE v.key = s.key)
           ELSE (SELECT jsonb_build_object('value', p.value, 'kind', p.kind, 'until', p.until,
                                           'at_least', p.at_least, 'at_most', p.at_most)
                 FROM cut_points p WHERE p.subject = s.key ORDER BY p.version DESC LIMIT 1)
       END AS tree
FROM ({_STATE}) AS s LEFT JOIN ranks r ON s.kind = 'rank' AND r.key = s.key
ORDER BY s.kind DESC, s.position, s.key
"""  # noqa: S608  # ours


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
    lifecycle_version: int = 0
    """0: nobody put a lifecycle, the default one can be asked for but nobody is told of changes."""
    state: tuple[object, ...] = ()
    """What it was read from: equal as long as nothing was published."""


async def read_published(session: AsyncSession, *, known: Published) -> Published:
    """What is published now; `known` itself if that is still so."""
    connection = await raw(session)
    rows = await connection.fetch(_SELECT_STATE)
    if tuple(map(tuple, rows)) == known.state and known.state:
        return known
    rows = await connection.fetch(_SELECT_PUBLISHED)
    state = tuple((row["kind"], row["segment_id"], row["key"], row["version"]) for row in rows)
    if state == known.state and known.library.lifecycle:
        return known
    parsed = {(each.segment_id, each.key, each.version): each.condition for each in known.definitions}
    trees: dict[str, dict[str, Any]] = {}
    for row in rows:
        trees.setdefault(row["kind"], {})[row["key"]] = row["tree"]
    measures = {key: VALUE.validate_python(tree) for key, tree in trees.get("measure", {}).items()}
    definitions = tuple(
        PublishedDefinition(*place, parsed.get(place) or _condition(row, measures.get("default")))
        for row in rows
        if row["kind"] in {"segment", "rank"}
        for place in [(row["segment_id"], row["key"], row["version"])]
    )
    ranks = tuple(_ranks(rows, definitions))
    library = Library(
        segments={each.key: each.condition for each in definitions if each.segment_id is not None},
        signs={row["key"]: _sign(row, known.library) for row in rows if row["kind"] == "sign"},
        computed={key: VALUE.validate_python(tree) for key, tree in trees.get("computed", {}).items()},
        ranks={"default": RankTable(ranks, measures.get("default"))},
        lifecycle=lifecycle_conditions(_lifecycle(trees)),
        cuts={key: _cuts(tree) for key, tree in trees.get("cuts", {}).items()},
    )
    version = next((row["version"] for row in rows if row["kind"] == "lifecycle"), 0)
    return Published(definitions, library, version, state)


def _condition(row: Any, measure: Value | None) -> Condition:  # an asyncpg record
    if row["threshold"] is None or measure is None:
        return CONDITION.validate_python(row["tree"])
    return ValueCondition(kind="value", of=measure, comparison="ge", value=row["threshold"])


def _sign(row: Any, known: Library) -> PublishedSign:  # an asyncpg record
    former = known.signs.get(row["key"])
    if former is not None and (former.sign_id, former.version) == (row["segment_id"], row["version"]):
        return former
    tree = row["tree"]
    return PublishedSign(
        row["segment_id"],
        row["version"],
        CONDITION.validate_python(tree["condition"]),
        tree["strength"],
        tree["lifetime_days"],
    )


def _lifecycle(trees: Mapping[str, dict[str, Any]]) -> Lifecycle:
    document = trees.get("lifecycle", {}).get("lifecycle")
    return DEFAULT if document is None else Lifecycle.model_validate(document)


def _ranks(rows: list[Any], definitions: tuple[PublishedDefinition, ...]) -> Iterator[RankEntry]:  # asyncpg records
    conditions = {each.key: each.condition for each in definitions if each.segment_id is None}
    for row in rows:
        if row["kind"] == "rank":
            is_measured = row["threshold"] is not None
            yield RankEntry(row["key"], None if is_measured else conditions[row["key"]], row["threshold"])


def _cuts(tree: Mapping[str, Any]) -> CutPoints:
    read = datetime.fromisoformat if tree["kind"] == "moment" else Decimal
    at_least, at_most = ({int(key): read(cut) for key, cut in tree[name].items()} for name in ("at_least", "at_most"))
    until = datetime.fromisoformat(tree["until"])
    return CutPoints(VALUE.validate_python(tree["value"]), at_least, until, at_most=at_most)


async def read_library(session: AsyncSession) -> Library:
    """What a condition may refer to now."""
    return (await read_published(session, known=Published())).library
