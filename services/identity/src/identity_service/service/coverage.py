"""Coverage: how many customers are known, anonymous, linked to an outside id; now and over time."""

from datetime import date, timedelta
from operator import itemgetter
from time import monotonic
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.repository import coverage as repository
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.database import Database, raw
from servicekit.errors import Invalid

_LIVE_BYTES = 8 * 1024 * 1024
"""No more identifiers than this (some 50,000) are counted in milliseconds: then nothing is stale."""
_REST = 20
"""After a count, at least so many times as long as it took is rested: a large base costs at most 5 % of a core."""
_DEFAULT_DAYS = 90


class CoverageCounter:
    """Counts coverage for the day that is now, whenever something changed since the last count."""

    def __init__(self, *, database: Database, clock: Clock, zone: ZoneInfo) -> None:
        self._database = database
        self._clock = clock
        self._zone = zone
        self._rests_until = 0.0

    async def refresh(self) -> bool:
        """Count if there is need and it is time; False: nothing more to do now."""
        if monotonic() < self._rests_until:
            return False
        begin = monotonic()
        now = self._clock.now()
        day = now.astimezone(self._zone).date()
        async with self._database.transaction() as session:
            connection = await raw(session)
            await repository.lock(connection)
            marker = await repository.read_marker(connection)
            if await repository.find_last_count(connection) == (marker, day):
                return False
            await repository.count_day(connection, day=day, marker=marker, at=now)
        end = monotonic()
        self._rests_until = end + _REST * (end - begin)
        return False


async def read_coverage(session: AsyncSession, *, clock: Clock) -> dict[str, Any]:
    """Return how much of the base is known and linked, and what became of events.

    A small base is counted now; of a large one the last count is given, with its time.
    """
    connection = await raw(session)
    kept = None
    if await repository.identifiers_bytes(connection) > _LIVE_BYTES:
        kept = await repository.read_kept(connection)
    counts = kept or {**await repository.read_live(connection), "computed_at": clock.now()}
    events = await repository.read_event_totals(connection)
    customers, outside = counts["customers"], counts["linked_outside"]
    return {
        **counts,
        "anonymous": customers - counts["known"],
        "linked_outside_share": round(outside / customers, 4) if customers else 0.0,
        "identifiers": sum(counts["by_namespace"].values()),
        "accepted_events": events["accepted"],
        "rejected_events": events["rejected"],
        "duplicate_events": events["duplicates"],
    }


async def read_history(
    session: AsyncSession,
    *,
    since: date | None,
    until: date | None,
    brand: str,
    source_id: str,
    namespace: str,
    first: int,
    after: str | None,
    clock: Clock,
) -> Page[dict[str, Any]]:
    """Return a page of daily counts, the oldest first; of a dimension: '' all together, '*' each, else that one.

    Raises:
        Invalid: `until` is before `from`, or `after` is not a cursor of this listing.
    """
    until = until or clock.now().date() + timedelta(days=1)
    since = since or until - timedelta(days=_DEFAULT_DAYS)
    if until < since:
        raise Invalid("`until` is before `from`.", field="until")
    last = decode_cursor(after, str, str, str, str) if after else None
    if last is not None:
        last[0] = _day_of_cursor(last[0])
    found = await repository.read_history(
        await raw(session),
        since=since,
        until=until,
        brand=brand,
        source_id=source_id,
        namespace=namespace,
        after=last,
        limit=first + 1,
    )
    page = cut_page(found, first, itemgetter("day", "brand", "source_id", "namespace"))
    return Page([dict(row) for row in page.items], page.next)


def _day_of_cursor(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid("This is not a cursor of this listing. Pass a cursor as it was given.", field="after") from None
