"""Segments as they are configured, and their versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository.sizes import SIZE
from servicekit.database import json_text, raw

Kind = Literal["dynamic", "static"]

_SEGMENTS = f"""
SELECT s.segment_id, s.key, s.kind, s.name, s.description, s.condition, s.published_condition, s.revision, s.version,
       s.published_at, s.archived_at,
       b.subject IS NOT NULL AND b.finished_at IS NULL AS is_backfilling, COALESCE(b.evaluated, 0) AS evaluated,
       {SIZE.format(segment_id="s.segment_id")} AS size
FROM segments s LEFT JOIN backfills b ON b.subject = s.segment_id::text
"""  # noqa: S608  # our own text


@dataclass(frozen=True)
class SegmentRow:
    """A segment as configured, and how far its publication is."""

    segment_id: UUID
    key: str
    kind: Kind
    name: str
    description: str | None
    condition: dict[str, Any]
    published_condition: dict[str, Any] | None
    revision: int
    version: int
    published_at: datetime | None
    archived_at: datetime | None
    is_backfilling: bool
    evaluated: int
    size: int


@dataclass(frozen=True)
class VersionRow:
    """What a segment meant from a publication on."""

    version: int
    condition: dict[str, Any]
    published_at: datetime
    published_by: str | None
    why: str | None


async def list_segments(session: AsyncSession) -> list[SegmentRow]:
    """All segments by key."""
    return [SegmentRow(**row) for row in await (await raw(session)).fetch(f"{_SEGMENTS} ORDER BY s.key")]


async def get_segment(session: AsyncSession, key: str) -> SegmentRow | None:
    """One segment."""
    row = await (await raw(session)).fetchrow(f"{_SEGMENTS} WHERE s.key = $1", key)
    return None if row is None else SegmentRow(**row)


async def get_archived(session: AsyncSession, segment_id: UUID) -> SegmentRow | None:
    """The segment, if it is archived."""
    row = await (await raw(session)).fetchrow(
        f"{_SEGMENTS} WHERE s.segment_id = $1 AND s.archived_at IS NOT NULL", segment_id
    )
    return None if row is None else SegmentRow(**row)


async def lock_definitions(session: AsyncSession) -> None:
    """Let nobody else edit, publish or archive a definition before this transaction ends: references may not cross."""
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock(hashtextextended('segments', 0))")


async def insert_segment(
    session: AsyncSession,
    *,
    segment_id: UUID,
    key: str,
    kind: Kind,
    name: str,
    description: str | None,
    condition: dict[str, Any],
) -> None:
    """A new segment, not yet published."""
    await (await raw(session)).execute(
        "INSERT INTO segments (segment_id, key, kind, name, description, condition, revision) "
        "VALUES ($1, $2, $3, $4, $5, $6, 1)",
        segment_id, key, kind, name, description, json_text(condition),
    )  # fmt: skip


async def update_segment(
    session: AsyncSession, segment_id: UUID, *, name: str, description: str | None, condition: dict[str, Any]
) -> None:
    """A further edit."""
    await (await raw(session)).execute(
        "UPDATE segments SET name = $2, description = $3, condition = $4, revision = revision + 1 "
        "WHERE segment_id = $1",
        segment_id, name, description, json_text(condition),
    )  # fmt: skip


async def publish_segment(
    session: AsyncSession, segment_id: UUID, *, published_by: str | None, why: str | None, now: datetime
) -> None:
    """Make the edited condition the one memberships follow, and remember it as a version."""
    await (await raw(session)).execute(
        "WITH published AS (UPDATE segments "
        "SET published_condition = condition, version = version + 1, published_at = $2 WHERE segment_id = $1 "
        "RETURNING segment_id, version, condition, published_at) "
        "INSERT INTO segment_versions (segment_id, version, condition, published_at, published_by, why) "
        "SELECT segment_id, version, condition, published_at, $3, $4 FROM published",
        segment_id, now, published_by, why,
    )  # fmt: skip


async def set_archived(session: AsyncSession, segment_id: UUID, *, archived_at: datetime | None) -> None:
    """Take the segment out of use, or back into it (None)."""
    await (await raw(session)).execute(
        "UPDATE segments SET archived_at = $2, revision = revision + 1 WHERE segment_id = $1", segment_id, archived_at
    )


async def list_versions(session: AsyncSession, segment_id: UUID, *, before: int | None, limit: int) -> list[VersionRow]:
    """Versions, newest first, before one already seen."""
    rows = await (await raw(session)).fetch(
        "SELECT version, condition, published_at, published_by, why FROM segment_versions "
        "WHERE segment_id = $1 AND ($2::int IS NULL OR version < $2) ORDER BY version DESC LIMIT $3",
        segment_id, before, limit,
    )  # fmt: skip
    return [VersionRow(**row) for row in rows]


async def get_version(session: AsyncSession, segment_id: UUID, version: int) -> VersionRow | None:
    """One version."""
    row = await (await raw(session)).fetchrow(
        "SELECT version, condition, published_at, published_by, why FROM segment_versions "
        "WHERE segment_id = $1 AND version = $2",
        segment_id,
        version,
    )
    return None if row is None else VersionRow(**row)


async def count_combinations(session: AsyncSession, segment_ids: Sequence[UUID]) -> dict[int, int]:
    """How many customers are in which of the segments: bit n of the key stands for the n-th segment.

    One pass over the members' index, however many segments (at most 30).
    """
    rows = await (await raw(session)).fetch(
        """
        SELECT places, count(*) AS customers FROM (
            SELECT m.customer_id, sum(1 << (t.position - 1)::int) AS places
            FROM unnest($1::uuid[]) WITH ORDINALITY AS t (segment_id, position)
            JOIN segment_memberships m ON m.segment_id = t.segment_id AND m.is_member
            GROUP BY m.customer_id
        ) AS customers GROUP BY places
        """,
        list(segment_ids),
    )
    return {int(row["places"]): row["customers"] for row in rows}
