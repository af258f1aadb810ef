"""How large segments are and were, and what they have in common."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository import segments, sizes
from profile_service.repository.sizes import DayRow
from profile_service.service.policy import sight_of
from profile_service.service.segments import get_segment, get_segments
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.erasure import ErasedCustomer, EraseMore
from servicekit.errors import Invalid

MAX_DAYS = 800
_ADDED_AT_ONCE = 20_000
_VERSIONS_LOOKED_AT = 1000


@dataclass(frozen=True)
class Overlap:
    """Members of two segments, each and together."""

    first_key: str
    second_key: str
    first_size: int
    second_size: int
    both: int


class SizeKeeper:
    """Adds up what changed, so that reading a size stays cheap."""

    def __init__(self, *, database: Database) -> None:
        self._database = database

    async def step(self) -> bool:
        """Add some changes up; True while there may be more."""
        async with self._database.transaction() as session:
            return await sizes.add_up(session, limit=_ADDED_AT_ONCE) == _ADDED_AT_ONCE


def forgetting_memberships(clock: Clock, *, zone: ZoneInfo) -> EraseMore:
    """Delete an erased customer's memberships so that sizes know of it."""

    async def forget(session: AsyncSession, customer: ErasedCustomer, _limit: int) -> dict[str, int]:
        day = clock.now().astimezone(zone).date()
        return {"segment_memberships": await sizes.forget_memberships(session, customer.customer_ids, day=day)}

    return forget


async def compare_segments(session: AsyncSession, keys: Sequence[str]) -> list[Overlap]:
    """Every pair of the segments, in order; all counted in one pass over their members.

    Raises:
        NotFound: there is no segment of a key.
        Invalid: a key comes twice.
    """
    if len(set(keys)) < len(keys):
        raise Invalid("Compare different segments.", field="key")
    rows = await get_segments(session, keys)
    counts = await segments.count_combinations(session, [row.segment_id for row in rows])

    def members_of(*places: int) -> int:
        asked = sum(1 << place for place in places)
        return sum(count for combination, count in counts.items() if combination & asked == asked)

    return [
        Overlap(keys[one], keys[two], members_of(one), members_of(two), members_of(one, two))
        for one in range(len(keys))
        for two in range(one + 1, len(keys))
    ]


async def list_days(
    session: AsyncSession, key: str, *, first: date | None, last: date | None, today: date, zone: ZoneInfo
) -> list[DayRow]:
    """A segment's days, oldest first; by default the last 30. None of a time when its meaning is hidden from the asker.

    Raises:
        NotFound: there is no such segment.
        Invalid: no days, or too many.
    """
    segment = await get_segment(session, key)
    last = min(last or today, today)
    if last.year < 2000:
        raise Invalid("Nothing is known of so long ago.", field="last_day")
    first = first or last - timedelta(days=29)
    if not 0 <= (last - first).days < MAX_DAYS:
        raise Invalid(f"Ask for 1 to {MAX_DAYS} days, up to today.", field="first_day")
    days = await sizes.list_days(session, segment.segment_id, first=first, last=last)
    hidden_until = await _hidden_until(session, segment)
    return days if hidden_until is None else [each for each in days if each.day > hidden_until.astimezone(zone).date()]


async def _hidden_until(session: AsyncSession, segment: segments.SegmentRow) -> datetime | None:
    """When a segment came to mean what the asker may see, if it ever meant anything else; of its latest versions."""
    sight = sight_of(session)
    if sight.is_whole:
        return None
    versions = await segments.list_versions(session, segment.segment_id, before=None, limit=_VERSIONS_LOOKED_AT)
    for later, version in pairwise(versions):
        if not sight.sees_segment(segment.key, unpublished=version.condition):
            return later.published_at
    return None
