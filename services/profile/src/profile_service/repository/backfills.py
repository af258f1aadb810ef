"""Backfills: one look at everybody, then what differs from the answers kept is kept, some customers at a time.

The look is one statement over everybody and holds no customer. Meanwhile live batches go on: they follow the published
condition already (the look begins only when everybody who may have read an earlier one has ended). An answer found is
kept only if it still holds when its customer is locked: the facts are those looked at (whoever wrote the customer's row
had ended before the look: `xmin`) and its time has not passed. Else the customer is evaluated live.

Whoever enters a segment without having had an answer (nearly everybody of a new segment) is locked, kept and told of by
ONE statement, the facts written by the database: see keep_first_answers.sql. All others take the longer way.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledConditions
from profile_service.repository.conclusions import SegmentChange
from profile_service.repository.previews import SCAN_MEMORY, count_customers
from servicekit.database import load_sql, raw
from servicekit.outbox import insert_of_facts, wake_relay
from servicekit.tracing import current_traceparent

FIRST_ID = UUID(int=0)
"""Sorts before every customer."""

RANKS = "ranks"
"""The backfill subject of the table of ranks."""
LIFECYCLE_STATES = "lifecycle"
"""The backfill subject of the lifecycle."""

Reason = Literal["backfill", "definition"]

_KEEP_FIRST = load_sql("profile_service", "keep_first_answers")
_KEEP_FOUND = load_sql("profile_service", "keep_found_answers")
# What a statement yields is joined by hash, tables are searched by their indexes, whatever the planner takes them for.
_BY_HASH_AND_INDEX = "SELECT set_config('enable_nestloop', $1, true), set_config('enable_seqscan', $1, true)"
_RANDOM_PART = 24
"""Characters of an id that are random; a number makes the other twelve. PostgreSQL takes 3 us for each random id."""
_FACT = """'{"event_id":"' || $3::text || lpad(to_hex(number), 12, '0') || '","customer_id":"' || customer_id
           || '","anchor_id":"' || anchor_id || $4::text"""
_FACT_BYTES = "(200 + octet_length($4::text))"
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
class KeptChunk:
    """What became of a chunk of found answers."""

    size: int
    entered: int
    """How many who had no answer entered: kept, and told of."""
    anchors: dict[UUID, UUID]
    """An anchor of each of them, if they are to be named."""
    known: tuple[list[UUID], list[bool], list[datetime | None]]
    """Customers who have an answer, and what was found: to be kept now."""
    stale: list[UUID]
    """Customers to be evaluated live."""


@dataclass(frozen=True)
class EntryFacts:
    """How the database writes the facts about those who enter."""

    fact_type: str
    ending: str
    """Of each fact's JSON, after the value of `anchor_id`."""
    partitions: int
    are_named: bool
    """Whether those who enter are asked for."""


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


async def may_look_quickly(session: AsyncSession, segment_id: UUID, events: Collection[str], *, now: datetime) -> bool:
    """Whether no answer of the segment is kept yet, and none of these events is dated in the future.

    Whoever is told of such an event, or answered, after this was asked is written by a batch that follows what is
    published: what the look finds about that customer is not kept.
    """
    is_first: bool = await (await raw(session)).fetchval(
        "SELECT NOT EXISTS (SELECT FROM segment_memberships WHERE segment_id = $1 AND is_member) "
        "AND NOT EXISTS (SELECT FROM segment_memberships WHERE segment_id = $1 AND NOT is_member) "
        "AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS t (name) CROSS JOIN LATERAL ("
        "SELECT e.occurred_at FROM events e WHERE e.name = t.name ORDER BY e.occurred_at DESC LIMIT 1"
        ") AS latest WHERE latest.occurred_at > $3)",
        segment_id, list(events), now,
    )  # fmt: skip
    return is_first


async def look_at_everybody(
    session: AsyncSession, segment_id: UUID, compiled: CompiledConditions, *, is_first: bool, chunk: int, now: datetime
) -> int:
    """Find the answers that differ from those kept (compiled for candidates), in chunks; return how many.

    `is_first`: none was kept when that was asked (`may_look_quickly`); who has one since is answered already.
    """
    connection = await raw(session)
    await forget_found(session, segment_id)
    # what a crash takes from the log it takes from the findings anyway
    await connection.execute(f"{SCAN_MEMORY}; SET LOCAL synchronous_commit = off")
    place = f"${2 + len(compiled.parameters)}::uuid"
    found: int = await connection.fetchval(
        f"""
        WITH chunks AS (
            INSERT INTO backfill_answers (segment_id, number, seen_before, customer_ids, are_members, valid_until)
            SELECT {place}, number, pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
                   array_agg(customer_id ORDER BY customer_id), array_agg(is_member ORDER BY customer_id),
                   array_agg(valid_until ORDER BY customer_id)
            FROM (
                SELECT customer_id, COALESCE(e.m0, false) AS is_member, NULLIF(e.v0, 'infinity') AS valid_until,
                       (row_number() OVER (ORDER BY customer_id) - 1) / {chunk:d} AS number
                FROM ({compiled.sql}) AS e {"" if is_first else _COMPARED_WITH_KEPT.format(segment=place)}
            ) AS found
            GROUP BY number
            RETURNING cardinality(customer_ids) AS size
        )
        SELECT COALESCE(sum(size), 0)::bigint FROM chunks
        """,  # noqa: S608  # compiled, with parameters
        now, *compiled.parameters, segment_id,
    )  # fmt: skip
    return found


# The answers kept are read by their two partial indexes, of this segment only, however many segments there are.
_COMPARED_WITH_KEPT = """FULL JOIN (
    SELECT customer_id, is_member, valid_until FROM segment_memberships WHERE segment_id = {segment} AND is_member
    UNION ALL
    SELECT customer_id, is_member, valid_until FROM segment_memberships WHERE segment_id = {segment} AND NOT is_member
) AS k USING (customer_id)
WHERE COALESCE(e.m0, false) <> COALESCE(k.is_member, false)
   OR COALESCE(e.v0, 'infinity') < COALESCE(k.valid_until, 'infinity')
   OR k.valid_until <= $1::timestamptz"""


async def forget_found(session: AsyncSession, segment_id: UUID) -> None:
    """Throw away what was found for a segment."""
    await (await raw(session)).execute("DELETE FROM backfill_answers WHERE segment_id = $1", segment_id)


async def note_look(session: AsyncSession, work: BackfillRow, *, found: int, now: datetime) -> bool:
    """Note what was found; everybody else's answer is settled. False: the backfill was asked for anew meanwhile."""
    total, _ = await count_customers(session)
    status: str = await (await raw(session)).execute(
        "UPDATE backfills SET remaining = $3::bigint, cursor = NULL, evaluated = $4, finished_at = $5 "
        "WHERE subject = $1 AND generation = $2",
        work.subject, work.generation, found, max(total - found, 0), None if found else now,
    )  # fmt: skip
    return status == "UPDATE 1"


async def keep_first(session: AsyncSession, segment_id: UUID, facts: EntryFacts, *, now: datetime) -> KeptChunk | None:
    """Lock the next chunk's customers, keep what was found of those without an answer, publish; None: none is left."""
    connection = await raw(session)
    await connection.execute(_BY_HASH_AND_INDEX, "off")
    told = insert_of_facts(
        "facts",
        fact=_FACT,
        max_bytes=_FACT_BYTES,
        partitions=facts.partitions,
        occurred_at="$2::timestamptz",
        traceparent="$5::text",
    )
    row = await connection.fetchrow(
        _KEEP_FIRST.replace("/* insert of facts */", told),
        segment_id, now, str(uuid4())[:_RANDOM_PART], facts.ending, current_traceparent(), facts.fact_type,
        facts.are_named,
    )  # fmt: skip
    await connection.execute(_BY_HASH_AND_INDEX, "on")
    if row["size"] is None:
        return None
    if row["entered"]:
        await wake_relay(session)
    return KeptChunk(
        row["size"],
        row["entered"],
        dict(zip(row["customers"] or [], row["anchors"] or [], strict=True)),
        (row["known"] or [], row["known_are_members"] or [], row["known_valid_until"] or []),
        row["stale"] or [],
    )


async def keep_found(
    session: AsyncSession,
    segment_id: UUID,
    known: tuple[Sequence[UUID], Sequence[bool], Sequence[datetime | None]],
    *,
    now: datetime,
) -> list[SegmentChange]:
    """Keep the answers found about locked customers who have one; return whose membership changed."""
    if not known[0]:
        return []
    rows = await (await raw(session)).fetch(_KEEP_FOUND, segment_id, *(list(each) for each in known), now)
    return [SegmentChange(row["customer_id"], row["anchor_id"], segment_id, row["is_member"]) for row in rows]


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
