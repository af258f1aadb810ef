"""Segments, ranks and backfills as they are configured."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import json_text, raw

FIRST_ID = UUID(int=0)
"""Sorts before every customer."""

RANKS = "ranks"
"""The backfill subject of the table of ranks."""

_SEGMENTS = """
SELECT s.segment_id, s.key, s.name, s.description, s.condition, s.published_condition, s.revision, s.version,
       s.published_at,
       b.subject IS NOT NULL AND b.finished_at IS NULL AS is_backfilling, COALESCE(b.evaluated, 0) AS evaluated,
       (SELECT count(*) FROM segment_memberships m WHERE m.segment_id = s.segment_id AND m.is_member) AS size
FROM segments s LEFT JOIN backfills b ON b.subject = s.segment_id::text
"""


@dataclass(frozen=True)
class SegmentRow:
    """A segment as configured, and how far its publication is."""

    segment_id: UUID
    key: str
    name: str
    description: str | None
    condition: dict[str, Any]
    published_condition: dict[str, Any] | None
    revision: int
    version: int
    published_at: datetime | None
    is_backfilling: bool
    evaluated: int
    size: int


@dataclass(frozen=True)
class RankRow:
    """A rank as configured, with the number of its customers."""

    key: str
    name: str
    condition: dict[str, Any]
    size: int


@dataclass(frozen=True)
class BackfillRow:
    """A backfill at work; its row is locked."""

    subject: str
    cursor: UUID | None


async def list_segments(session: AsyncSession) -> list[SegmentRow]:
    """All segments by key."""
    return [SegmentRow(**row) for row in await (await raw(session)).fetch(f"{_SEGMENTS} ORDER BY s.key")]


async def get_segment(session: AsyncSession, key: str) -> SegmentRow | None:
    """One segment."""
    row = await (await raw(session)).fetchrow(f"{_SEGMENTS} WHERE s.key = $1", key)
    return None if row is None else SegmentRow(**row)


async def lock_segment(session: AsyncSession, key: str) -> SegmentRow | None:
    """One segment, which nobody else changes until this transaction ends; None leaves its key to this transaction."""
    connection = await raw(session)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('segment ' || $1, 0))", key)
    return await get_segment(session, key)


async def insert_segment(
    session: AsyncSession, *, segment_id: UUID, key: str, name: str, description: str | None, condition: dict[str, Any]
) -> None:
    """A new segment, not yet published."""
    await (await raw(session)).execute(
        "INSERT INTO segments (segment_id, key, name, description, condition, revision) VALUES ($1, $2, $3, $4, $5, 1)",
        segment_id, key, name, description, json_text(condition),
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


async def publish_segment(session: AsyncSession, segment_id: UUID, *, now: datetime) -> None:
    """Make the edited condition the one memberships follow."""
    await (await raw(session)).execute(
        "UPDATE segments SET published_condition = condition, version = version + 1, published_at = $2 "
        "WHERE segment_id = $1",
        segment_id,
        now,
    )


async def request_backfill(session: AsyncSession, subject: str, *, now: datetime) -> None:
    """Evaluate everybody anew, from the first customer on, whatever was under way."""
    await (await raw(session)).execute(
        "INSERT INTO backfills (subject, requested_at) VALUES ($1, $2) "
        "ON CONFLICT (subject) DO UPDATE SET cursor = NULL, evaluated = 0, requested_at = $2, finished_at = NULL",
        subject,
        now,
    )


async def claim_backfill(session: AsyncSession) -> BackfillRow | None:
    """The oldest unfinished backfill that nobody else works on, locked."""
    row = await (await raw(session)).fetchrow(
        "SELECT subject, cursor FROM backfills WHERE finished_at IS NULL ORDER BY requested_at LIMIT 1 "
        "FOR UPDATE SKIP LOCKED"
    )
    return None if row is None else BackfillRow(row["subject"], row["cursor"])


async def next_customers(session: AsyncSession, *, after: UUID | None, limit: int) -> list[UUID]:
    """The next customers in order, locked."""
    rows = await (await raw(session)).fetch(
        "SELECT customer_id FROM customers WHERE customer_id > $1 ORDER BY customer_id LIMIT $2 FOR UPDATE",
        after or FIRST_ID,
        limit,
    )
    return [row["customer_id"] for row in rows]


async def advance_backfill(
    session: AsyncSession, subject: str, *, cursor: UUID | None, evaluated: int, finished_at: datetime | None
) -> None:
    """Note how far a backfill is, in the transaction of its chunk."""
    await (await raw(session)).execute(
        "UPDATE backfills SET cursor = COALESCE($2, cursor), evaluated = evaluated + $3, finished_at = $4 "
        "WHERE subject = $1",
        subject, cursor, evaluated, finished_at,
    )  # fmt: skip


async def lock_rank_table(session: AsyncSession) -> int | None:
    """The version of the table of ranks, which nobody else changes until this transaction ends; None: there is none."""
    connection = await raw(session)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('ranks', 0))")
    return await get_rank_version(session)


async def get_rank_version(session: AsyncSession) -> int | None:
    """The version of the table of ranks."""
    version: int | None = await (await raw(session)).fetchval("SELECT version FROM rank_tables WHERE key = 'default'")
    return version


async def list_ranks(session: AsyncSession) -> list[RankRow]:
    """The ranks, lowest first, with their sizes."""
    rows = await (await raw(session)).fetch(
        "SELECT r.key, r.name, r.condition, (SELECT count(*) FROM customer_ranks c WHERE c.rank_key = r.key) AS size "
        "FROM ranks r ORDER BY r.position"
    )
    return [RankRow(row["key"], row["name"], row["condition"], row["size"]) for row in rows]


async def replace_ranks(session: AsyncSession, ranks: Sequence[tuple[str, str, dict[str, Any]]]) -> None:
    """Put (key, name, condition), lowest first, in the place of the table of ranks, as a new version of it."""
    connection = await raw(session)
    await connection.execute("DELETE FROM ranks")
    await connection.execute(
        "INSERT INTO ranks (key, name, position, condition) "
        "SELECT key, name, position, condition FROM unnest($1::text[], $2::text[], $3::text[]::jsonb[]) "
        "WITH ORDINALITY AS t (key, name, condition, position)",
        [key for key, _, _ in ranks],
        [name for _, name, _ in ranks],
        [json_text(condition) for _, _, condition in ranks],
    )
    await connection.execute(
        "INSERT INTO rank_tables AS t (key, version) VALUES ('default', 1) "
        "ON CONFLICT (key) DO UPDATE SET version = t.version + 1"
    )
