"""How many members a segment has and had, exact without counting them.

Whoever changes memberships inserts what changed in the same transaction, so nobody waits for a counter; a worker adds
the changes up. A size is what was added up plus what was not yet, read in one statement: exact at any moment.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import load_sql, raw

SIZE = (
    "COALESCE((SELECT z.size FROM segment_sizes z WHERE z.segment_id = {segment_id}), 0) "
    "+ COALESCE((SELECT sum(d.entered - d.exited) FROM segment_size_changes d WHERE d.segment_id = {segment_id}), 0)"
    "::bigint"
)
"""An expression: a segment's size now."""

_ADD_UP = load_sql("profile_service", "add_up_sizes")
_LIST_DAYS = load_sql("profile_service", "list_segment_days")


@dataclass(frozen=True)
class DayRow:
    """A day of a segment, in the customers' time zone: its size at the end, who came and went, by reason."""

    day: date
    size: int
    entered: dict[str, int]
    exited: dict[str, int]


async def note_changes(session: AsyncSession, changes: Sequence[tuple[UUID, bool]], *, reason: str, day: date) -> None:
    """Note that somebody entered (True) or exited a segment, once per change."""
    if not changes:
        return
    counts = Counter(changes)
    segment_ids = sorted({segment_id for segment_id, _ in counts})
    await (await raw(session)).execute(
        "INSERT INTO segment_size_changes (segment_id, day, reason, entered, exited) "
        "SELECT segment_id, $2, $3, entered, exited "
        "FROM unnest($1::uuid[], $4::int[], $5::int[]) AS t (segment_id, entered, exited)",
        segment_ids,
        day,
        reason,
        [counts[segment_id, True] for segment_id in segment_ids],
        [counts[segment_id, False] for segment_id in segment_ids],
    )


async def note_entries(session: AsyncSession, segment_id: UUID, entered: int, *, reason: str, day: date) -> None:
    """Note that so many entered one segment."""
    if entered:
        await (await raw(session)).execute(
            "INSERT INTO segment_size_changes (segment_id, day, reason, entered, exited) VALUES ($1, $2, $3, $4, 0)",
            segment_id, day, reason, entered,
        )  # fmt: skip


async def note_departures(session: AsyncSession, customer_ids: Sequence[UUID], *, reason: str, day: date) -> None:
    """Note that these customers, whose memberships are about to be deleted, exit whatever they are in."""
    await (await raw(session)).execute(
        "INSERT INTO segment_size_changes (segment_id, day, reason, entered, exited) "
        "SELECT segment_id, $2, $3, 0, count(*) FROM segment_memberships "
        "WHERE customer_id = ANY($1::uuid[]) AND is_member GROUP BY segment_id",
        list(customer_ids),
        day,
        reason,
    )


async def forget_memberships(session: AsyncSession, customer_ids: Sequence[UUID], *, day: date) -> int:
    """Delete erased customers' memberships, noting that they exit; return how many rows."""
    deleted: int = await (await raw(session)).fetchval(
        "WITH gone AS (DELETE FROM segment_memberships WHERE customer_id = ANY($1::uuid[]) "
        "RETURNING segment_id, is_member), noted AS ("
        "INSERT INTO segment_size_changes (segment_id, day, reason, entered, exited) "
        "SELECT segment_id, $2, 'erasure', 0, count(*) FROM gone WHERE is_member GROUP BY segment_id) "
        "SELECT count(*) FROM gone",
        list(customer_ids),
        day,
    )
    return deleted


async def add_up(session: AsyncSession, *, limit: int) -> int:
    """Add up to `limit` changes to sizes and days; return how many there were."""
    added: int = await (await raw(session)).fetchval(_ADD_UP, limit)
    return added


async def list_days(session: AsyncSession, segment_id: UUID, *, first: date, last: date) -> list[DayRow]:
    """Every day from `first` to `last`, oldest first."""
    rows = await (await raw(session)).fetch(_LIST_DAYS, segment_id, first, last)
    return [DayRow(row["day"], row["size"], row["entered"], row["exited"]) for row in rows]
