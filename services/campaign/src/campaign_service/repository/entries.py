"""On their way into journeys: present members of segments, and customers named before their anchor is there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign_service.repository.runs import SegmentExit
from servicekit.database import raw


@dataclass(frozen=True)
class OpenEntry:
    """A segment whose members are still entering a journey."""

    journey_key: str
    journey_version: int
    segment_key: str
    after: str | None
    requested_at: datetime


async def claim_open_entry(session: AsyncSession, *, now: datetime, leased_until: datetime) -> OpenEntry | None:
    """Take the entry that waited longest and keep others off it for a while. Paused journeys wait."""
    row = await (await raw(session)).fetchrow(
        """
        UPDATE member_entries SET due_at = $2 WHERE (journey_key, journey_version) IN (
            SELECT m.journey_key, m.journey_version FROM member_entries m JOIN journeys j ON j.key = m.journey_key
            WHERE m.done_at IS NULL AND m.due_at <= $1
              AND j.status = 'published' AND j.published_version = m.journey_version
            ORDER BY m.due_at LIMIT 1 FOR UPDATE OF m SKIP LOCKED
        ) RETURNING journey_key, journey_version, segment_key, after, requested_at
        """,
        now,
        leased_until,
    )
    return None if row is None else OpenEntry(**row)


async def turn_page(session: AsyncSession, entry: OpenEntry, *, after: str | None, entered: int, now: datetime) -> bool:
    """Remember that a page has entered (`after` None: the last one). False when somebody else did so before."""
    turned = await (await raw(session)).fetchval(
        """
        UPDATE member_entries SET after = coalesce($4, after), due_at = $6, entered = entered + $5,
            done_at = CASE WHEN $4::text IS NULL THEN $6::timestamptz END
        WHERE journey_key = $1 AND journey_version = $2 AND after IS NOT DISTINCT FROM $3 AND done_at IS NULL
        RETURNING true
        """,
        entry.journey_key, entry.journey_version, entry.after, after, entered, now,
    )  # fmt: skip
    return turned is not None


@dataclass(frozen=True, slots=True)
class EarlyEntryRow:
    """What would let the named customer into a journey, if they held the anchor."""

    journey_key: str
    cause: str
    anchor_id: UUID
    customer_id: UUID
    named_customer_id: UUID
    triggered_at: datetime


async def hold_early(session: AsyncSession, rows: Sequence[EarlyEntryRow], *, now: datetime) -> None:
    """Remember entries until their anchors come to whom they name; one that is known stays as it is."""
    await (await raw(session)).execute(
        """
        INSERT INTO early_entries (journey_key, cause, anchor_id, customer_id, named_customer_id, triggered_at, held_at)
        SELECT journey_key, cause, anchor_id, customer_id, named_customer_id, triggered_at, $7
        FROM unnest($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[])
            AS t (journey_key, cause, anchor_id, customer_id, named_customer_id, triggered_at)
        ORDER BY journey_key, cause, anchor_id
        ON CONFLICT DO NOTHING
        """,
        [row.journey_key for row in rows],
        [row.cause for row in rows],
        [row.anchor_id for row in rows],
        [row.customer_id for row in rows],
        [row.named_customer_id for row in rows],
        [row.triggered_at for row in rows],
        now,
    )


async def take_arrived(
    session: AsyncSession, customer_ids: Sequence[UUID], *, held_before: datetime
) -> list[EarlyEntryRow]:
    """Take out and return the entries of these customers that name them; what was held before a moment is forgotten."""
    connection = await raw(session)
    await connection.execute("DELETE FROM early_entries WHERE held_at < $1", held_before)
    rows = await connection.fetch(
        "DELETE FROM early_entries WHERE customer_id = ANY($1::uuid[]) AND named_customer_id = customer_id "
        "RETURNING journey_key, cause, anchor_id, customer_id, named_customer_id, triggered_at",
        list(customer_ids),
    )
    return [EarlyEntryRow(**row) for row in rows]


async def forget_left(session: AsyncSession, exits: Sequence[SegmentExit]) -> None:
    """Forget the waiting entries of customers who have left the segment since, where the journey asks for it."""
    await (await raw(session)).execute(
        """
        DELETE FROM early_entries e
        USING unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t (customer_id, segment_key, left_at),
            journeys j, journey_versions v
        WHERE e.named_customer_id = t.customer_id AND e.triggered_at <= t.left_at
          AND j.key = e.journey_key AND j.segment_key = t.segment_key
          AND v.journey_key = j.key AND v.version = j.published_version
          AND (v.definition #>> '{trigger,exit_on_segment_exit}')::boolean
        """,
        [each.customer_id for each in exits],
        [each.segment_key for each in exits],
        [each.left_at for each in exits],
    )
