"""Present members of segments on their way into journeys."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

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
