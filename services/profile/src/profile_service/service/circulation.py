"""Circulation: what each department gave, which others used it, with which result."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import Library, Reference
from profile_service.conditions.asked import asked_by, trees_of
from profile_service.repository import circulation
from profile_service.repository.circulation import GivenRow, ResultRow, SegmentUseRow, Step, Use, UsedRow
from profile_service.repository.library import read_library
from profile_service.service.policy import sight_of
from profile_service.service.segments import get_segment
from servicekit.clock import Clock
from servicekit.database import Database
from servicekit.errors import Invalid

MAX_DAYS = 800
MAX_MEMBERS = 100_000
"""Members of a segment whose results are told: all their events since they entered are read."""
_ADDED_AT_ONCE = 20_000
_SENT, _CLICKED = "Message Sent", "Email Link Clicked"


class UseCounter:
    """Counts reads in memory and adds them to the days now and then: no row for a read, at most the last seconds lost.

    A worker's `step` writes what has come together.
    """

    def __init__(self, *, database: Database, clock: Clock, zone: ZoneInfo) -> None:
        self._database = database
        self._clock = clock
        self._zone = zone
        self._uses: Counter[Use] = Counter()

    def count(self, reader: str, kind: str, givers: Iterable[str | None]) -> None:
        """Note that a reader was given things of a kind, one for each giver (None: not known)."""
        day = self._clock.now().astimezone(self._zone).date()
        for giver, number in Counter(givers).items():
            self._uses[(day, reader, giver or "", kind)] += number

    async def step(self) -> bool:
        """Write what was counted, and add up what was given; True while there may be more to add up."""
        uses, self._uses = self._uses, Counter()
        try:
            async with self._database.transaction() as session:
                if uses:
                    await circulation.add_uses(session, uses)
                added = await circulation.add_up_given(session, limit=_ADDED_AT_ONCE)
        except BaseException:
            self._uses.update(uses)  # written with the next ones
            raise
        return added == _ADDED_AT_ONCE


@dataclass(frozen=True)
class SegmentUse:
    """A segment of one department, and the others whose events and traits it is drawn from."""

    segment: SegmentUseRow
    drawn_from: list[str]


@dataclass(frozen=True)
class SegmentResults:
    """What a segment's present members did since they entered; None: they are too many to be looked at."""

    key: str
    members: int
    sent: ResultRow | None
    clicked: ResultRow | None
    purchases: ResultRow | None
    is_too_large: bool


@dataclass(frozen=True)
class Report:
    """From the first day to the last, both included."""

    first: date
    last: date
    given: list[GivenRow]
    used: list[UsedRow]
    segments: list[SegmentUse]
    results: SegmentResults | None


async def report(
    session: AsyncSession,
    *,
    first: date | None,
    last: date | None,
    step: Step,
    segment_key: str | None,
    purchase_event: str,
    zone: ZoneInfo,
    today: date,
) -> Report:
    """What circulated; by default in the last 30 days. Segments that the asker may not see are left out.

    Raises:
        Invalid: no days, or too many. NotFound: there is no such segment.
    """
    last = last or today
    if not 2000 <= last.year <= 3000:
        raise Invalid("The year lies outside 2000 to 3000.", field="until")
    first = first or last - timedelta(days=29)
    if not 0 <= (last - first).days < MAX_DAYS:
        raise Invalid(f"Ask for 1 to {MAX_DAYS} days.", field="from")
    end = last + timedelta(days=1)
    results = None
    if segment_key is not None:
        starts_at, ends_at = (datetime.combine(day, time(), tzinfo=zone) for day in (first, end))
        results = await _results(session, segment_key, purchase_event, starts_at=starts_at, ends_at=ends_at)
    return Report(
        first=first,
        last=last,
        given=await circulation.list_given(session, first=first, end=end, step=step),
        used=await circulation.list_used(session, first=first, end=end),
        segments=await _segments(session, purchase_event, first=first, end=end),
        results=results,
    )


async def _segments(session: AsyncSession, purchase_event: str, *, first: date, end: date) -> list[SegmentUse]:
    sight = sight_of(session)
    givers = await circulation.list_departments_by_name(session)
    library = await read_library(session)
    found = []
    for row in await circulation.list_segments(session, first=first, end=end):
        if sight.sees_segment(row.key):
            asked = _names_behind(library, ("segment", row.key), purchase_event, set())
            departments = set().union(*(givers.get(name, frozenset()) for name in asked))
            found.append(SegmentUse(row, sorted(departments - {row.department})))
    return found


def _names_behind(
    library: Library, reference: Reference, purchase_event: str, seen: set[Reference]
) -> set[tuple[str, str]]:
    """(kind, name) of the events and traits that a definition is drawn from, also through others."""
    if reference in seen:
        return set()
    seen.add(reference)
    names: set[tuple[str, str]] = set()
    for tree in trees_of(library, reference):
        assert isinstance(tree, BaseModel)
        for asked in asked_by(tree, ""):
            if asked.kind in {"event", "trait"}:
                names.add((asked.kind, asked.name))
            elif asked.kind == "purchases" and (asked.reference is None or not trees_of(library, asked.reference)):
                names.add(("event", purchase_event))
            elif asked.reference is not None:
                names |= _names_behind(library, asked.reference, purchase_event, seen)
    return names


async def _results(
    session: AsyncSession, key: str, purchase_event: str, *, starts_at: datetime, ends_at: datetime
) -> SegmentResults:
    segment = await get_segment(session, key)
    if segment.size > MAX_MEMBERS:
        return SegmentResults(key, segment.size, None, None, None, is_too_large=True)
    sight = sight_of(session)
    names = [name for name in (_SENT, _CLICKED) if sight.sees_event(name)]
    names += [purchase_event] if sight.sees_purchases() else []
    rows = await circulation.list_results(
        session, segment.segment_id, names=names, starts_at=starts_at, ends_at=ends_at
    )
    # nothing happened is a result, too: null is for what the asker may not see
    found = {name: ResultRow(name, events=0, customers=0, revenue=Decimal(0)) for name in names}
    found |= {row.name: row for row in rows}
    return SegmentResults(
        key, segment.size, found.get(_SENT), found.get(_CLICKED), found.get(purchase_event), is_too_large=False
    )
