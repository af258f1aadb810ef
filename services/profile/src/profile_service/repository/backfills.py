"""Backfills: one look at everybody, then what differs from the answers kept is kept, some customers at a time.

The look is one statement over everybody and holds no customer. Meanwhile live batches go on: they follow the published
condition already (the look begins only when everybody who may have read an earlier one has ended). An answer found is
kept only if it still holds when its customer is locked: the facts are those looked at (the customer's row is the same
version, `xmin`) and its time has not passed. Else the customer is evaluated live.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledConditions
from profile_service.repository.conclusions import SegmentChange
from profile_service.repository.previews import SCAN_MEMORY
from servicekit.database import load_sql, raw

FIRST_ID = UUID(int=0)
"""Sorts before every customer."""

RANKS = "ranks"
"""The backfill subject of the table of ranks."""
LIFECYCLE_STATES = "lifecycle"
"""The backfill subject of the lifecycle."""

Reason = Literal["backfill", "definition"]

_KEEP_FOUND = load_sql("profile_service", "keep_found_answers")
_LEAVE = load_sql("profile_service", "leave_segment")


@dataclass(frozen=True)
class BackfillRow:
    """A backfill at work."""

    subject: str
    generation: int
    reason: Reason
    remaining: int | None
    cursor: UUID | None


@dataclass(frozen=True)
class Kept:
    """What became of a chunk of found answers: memberships that changed, and customers to be evaluated live."""

    changes: list[SegmentChange]
    stale: list[UUID]


async def request_backfill(session: AsyncSession, subject: str, *, reason: Reason = "backfill", now: datetime) -> None:
    """Evaluate everybody anew, from the first customer on, whatever was under way."""
    await (await raw(session)).execute(
        "INSERT INTO backfills AS b (subject, reason, requested_at) VALUES ($1, $2, $3) "
        "ON CONFLICT (subject) DO UPDATE SET generation = b.generation + 1, reason = $2, remaining = NULL, "
        "cursor = NULL, evaluated = 0, requested_at = $3, finished_at = NULL",
        subject, reason, now,
    )  # fmt: skip


async def claim_backfill(session: AsyncSession) -> BackfillRow | None:
    """The oldest unfinished backfill that nobody else works on; it is this transaction's, its row is not locked."""
    connection = await raw(session)
    rows = await connection.fetch(
        "SELECT subject, generation, reason, remaining, cursor FROM backfills WHERE finished_at IS NULL "
        "ORDER BY requested_at, subject"
    )
    for row in rows:
        if await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock(hashtextextended('backfill ' || $1, 0))", row["subject"]
        ):
            return BackfillRow(**row)
    return None


async def lock_backfill(session: AsyncSession, work: BackfillRow) -> BackfillRow | None:
    """The claimed backfill as it is now, its row locked until this transaction ends; None: asked for anew, or done."""
    row = await (await raw(session)).fetchrow(
        "SELECT subject, generation, reason, remaining, cursor FROM backfills "
        "WHERE subject = $1 AND generation = $2 AND finished_at IS NULL FOR UPDATE",
        work.subject,
        work.generation,
    )
    return None if row is None else BackfillRow(**row)


async def look_at_everybody(
    session: AsyncSession, segment_id: UUID, compiled: CompiledConditions, *, now: datetime
) -> int:
    """Find the answers that differ from those kept (compiled for candidates); return how many.

    The answers kept are read by their two partial indexes, of this segment only, however many segments there are.
    """
    connection = await raw(session)
    await connection.execute("DELETE FROM backfill_answers WHERE segment_id = $1", segment_id)
    await connection.execute(SCAN_MEMORY)
    place = f"${2 + len(compiled.parameters)}::uuid"
    status: str = await connection.execute(
        f"""
        WITH found AS MATERIALIZED (
            SELECT customer_id, COALESCE(e.m0, false) AS is_member, NULLIF(e.v0, 'infinity') AS valid_until
            FROM ({compiled.sql}) AS e FULL JOIN (
                SELECT customer_id, is_member, valid_until FROM segment_memberships
                WHERE segment_id = {place} AND is_member
                UNION ALL
                SELECT customer_id, is_member, valid_until FROM segment_memberships
                WHERE segment_id = {place} AND NOT is_member
            ) AS k USING (customer_id)
            WHERE COALESCE(e.m0, false) <> COALESCE(k.is_member, false)
               OR COALESCE(e.v0, 'infinity') < COALESCE(k.valid_until, 'infinity') OR k.valid_until <= $1::timestamptz
        )
        INSERT INTO backfill_answers (customer_id, segment_id, is_member, valid_until, row_version)
        SELECT f.customer_id, {place}, f.is_member, f.valid_until, c.row_version
        FROM found f CROSS JOIN LATERAL ( -- by the key, however many are found: the planner cannot know
            SELECT c.xmin::text::bigint AS row_version FROM customers c WHERE c.customer_id = f.customer_id OFFSET 0
        ) AS c
        """,  # noqa: S608  # compiled, with parameters
        now, *compiled.parameters, segment_id,
    )  # fmt: skip
    return int(status.rsplit(" ", 1)[-1])


async def note_look(session: AsyncSession, work: BackfillRow, *, found: int) -> bool:
    """Note what was found; everybody else's answer is settled. False: the backfill was asked for anew meanwhile."""
    status: str = await (await raw(session)).execute(
        "UPDATE backfills SET remaining = $3::bigint, cursor = NULL, "
        "evaluated = GREATEST((SELECT count(*) FROM customers) - $3::bigint, 0) "
        "WHERE subject = $1 AND generation = $2",
        work.subject, work.generation, found,
    )  # fmt: skip
    return status == "UPDATE 1"


async def next_found(session: AsyncSession, segment_id: UUID, *, after: UUID | None, limit: int) -> list[UUID]:
    """Customers of the next found answers, in order; those still there are locked."""
    connection = await raw(session)
    rows = await connection.fetch(
        "SELECT customer_id FROM backfill_answers WHERE segment_id = $1 AND customer_id > $2 "
        "ORDER BY customer_id LIMIT $3",
        segment_id, after or FIRST_ID, limit,
    )  # fmt: skip
    customer_ids = [row["customer_id"] for row in rows]
    await connection.execute(
        "SELECT FROM customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id FOR UPDATE", customer_ids
    )
    return customer_ids


async def keep_found(session: AsyncSession, segment_id: UUID, customer_ids: Sequence[UUID], *, now: datetime) -> Kept:
    """Keep the answers found about locked customers that still hold, and forget all of them."""
    rows = await (await raw(session)).fetch(_KEEP_FOUND, segment_id, list(customer_ids), now)
    changed = [
        SegmentChange(row["customer_id"], row["anchor_id"], segment_id, row["is_member"])
        for row in rows
        if not row["is_stale"]
    ]
    return Kept(changed, [row["customer_id"] for row in rows if row["is_stale"]])


async def leave(
    session: AsyncSession, segment_id: UUID, *, after: UUID | None, limit: int
) -> tuple[list[SegmentChange], UUID | None]:
    """Delete the next answers of a segment that counts no more.

    Returns who was a member, and the last customer; None: nobody is left.
    """
    connection = await raw(session)
    rows = await connection.fetch(
        "SELECT c.customer_id FROM customers c WHERE c.customer_id IN ("
        "SELECT customer_id FROM segment_memberships WHERE segment_id = $1 AND customer_id > $2 "
        "ORDER BY customer_id LIMIT $3) ORDER BY c.customer_id FOR UPDATE",
        segment_id, after or FIRST_ID, limit,
    )  # fmt: skip
    customer_ids = [row["customer_id"] for row in rows]
    if not customer_ids:
        return [], None
    members = await connection.fetch(_LEAVE, segment_id, customer_ids)
    changes = [SegmentChange(row["customer_id"], row["anchor_id"], segment_id, is_member=False) for row in members]
    return changes, customer_ids[-1]


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
        "UPDATE backfills SET cursor = COALESCE($2, cursor), evaluated = evaluated + $3, "
        "remaining = GREATEST(remaining - $3, 0), finished_at = $4 WHERE subject = $1",
        subject, cursor, evaluated, finished_at,
    )  # fmt: skip


async def look_again(session: AsyncSession, subject: str) -> None:
    """What was found is lost (a crash empties that table): begin anew."""
    await (await raw(session)).execute(
        "UPDATE backfills SET remaining = NULL, cursor = NULL, evaluated = 0 WHERE subject = $1", subject
    )
