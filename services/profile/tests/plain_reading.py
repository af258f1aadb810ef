"""The condition language read in plain Python, one customer at a time: what the compiler is held against.

Written from `contracts.conditions` alone, as naively as possible; references are followed where they stand.
"""

import operator
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal, localcontext
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts import conditions as c
from profile_service.conditions import Library

_ISO = re.compile(
    r"[12]\d{3}-\d\d-\d\d([T ]([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,6})?)?(Z|[+-](0\d|1[0-4]):?[0-5]\d)?)?", re.ASCII
)
_HUGE = Decimal(10) ** 30


@dataclass(frozen=True)
class PlainEvent:
    """An event of the customer."""

    name: str
    occurred_at: datetime
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class PlainObservation:
    """What a source said of a trait."""

    trait: str
    source: str
    observed_at: datetime
    value: Any


@dataclass(frozen=True)
class PlainRelation:
    """A day of somebody related."""

    relation: str
    occasion: str
    purpose: str
    month: int
    day: int
    year: int | None
    ends_at: datetime | None


@dataclass(frozen=True)
class PlainSign:
    """What is kept of a sign of the customer."""

    holds: bool
    is_active: bool
    detected_at: datetime | None
    renewed_at: datetime | None


@dataclass(frozen=True)
class PlainCustomer:
    """Everything a condition may ask for."""

    events: Sequence[PlainEvent] = ()
    traits: Mapping[str, Any] = field(default_factory=dict)
    observations: Sequence[PlainObservation] = ()
    relations: Sequence[PlainRelation] = ()
    namespaces: frozenset[str] = frozenset()
    lists: frozenset[UUID] = frozenset()
    signs: Mapping[str, PlainSign] = field(default_factory=dict)
    """By key, as they were left."""


def holds(
    condition: c.Condition,
    customer: PlainCustomer,
    *,
    now: datetime,
    currency: str,
    zone: str = "Asia/Tokyo",
    library: Library | None = None,
) -> bool:
    """Whether the customer fulfils the condition at `now`."""
    return Reading(customer, now, currency, ZoneInfo(zone), library or Library()).holds(condition)


@dataclass(frozen=True)
class Reading:
    """One customer at one moment."""

    customer: PlainCustomer
    now: datetime
    currency: str
    zone: ZoneInfo
    library: Library

    def holds(self, node: c.Condition) -> bool:  # noqa: C901  # a case for each kind of condition
        """A condition."""
        match node:
            case c.AllOf():
                return all(self.holds(each) for each in node.conditions)
            case c.AnyOf():
                return any(self.holds(each) for each in node.conditions)
            case c.Not():
                return not self.holds(node.condition)
            case c.TraitCondition():
                return compares(self.customer.traits.get(node.trait), node.comparison, node.value)
            case c.TraitChanged():
                return bool(self._in_window(self._changes(node.trait), node.window))
            case c.EventCount():
                return compares(len(self._events(node, node.window)), node.comparison, node.value)
            case c.EventSum():
                return compares(self._sum(self._events(node, node.window), node.property), node.comparison, node.value)
            case c.EventRecency():
                which = self._which(c.WhichEvent(event=node.event, where=node.where, which=node.kind[6:]))
                if which is None:
                    return False
                is_within = which > self.now - timedelta(days=node.days)
                return is_within if node.position == "within" else not is_within
            case c.Sequence():
                return self._sequence(node)
            case c.Without():
                last = self._which(c.WhichEvent(**node.event.model_dump(), which="last"))
                if last is None or last > self.now - _duration(node.for_at_least):
                    return False
                return not any(moment >= last for moment in self._moments(node.without))
            case c.DateCondition() | c.AnniversaryCondition():
                return self._day_condition(node)
            case c.IdentifierCondition():
                return node.namespace in self.customer.namespaces
            case c.StaticListCondition():
                return node.segment_id in self.customer.lists
            case c.ValueCondition():
                return self._value_condition(node)
        return self._refers(node)

    def _refers(self, node: c.Condition) -> bool:
        match node:
            case c.SegmentCondition():
                return self.holds(self.library.segments[node.segment])
            case c.SignCondition():
                return self._sign(node)
            case c.RankCondition():
                keys = [rank.key for rank in self.library.ranks[node.table].ranks]
                own = self._rank(node.table)
                asked = -1 if node.rank is None else keys.index(node.rank)
                return {"is": own == asked, "at_least": own >= asked, "at_most": own <= asked}[node.position]
            case c.LifecycleCondition():
                return (
                    next((s for s, condition in self.library.lifecycle if self.holds(condition)), None) in node.states
                )
            case c.PercentileCondition():
                cuts = self.library.cuts.get(node.of if isinstance(node.of, str) else f"computed:{node.of.key}")
                if cuts is None:
                    return False
                cut: Any = cuts.at.get(100 - node.percent if node.position == "top" else node.percent)
                value = self.value(cuts.value)
                if cut is None or value is None:
                    return False
                return bool(value >= cut if node.position == "top" else value <= cut)
        raise AssertionError(node)

    def _sign(self, node: c.SignCondition) -> bool:
        """Follow the sign from what was kept to now: is it shown then, and since when?"""
        sign = self.library.signs[node.sign]
        kept = self.customer.signs.get(node.sign, PlainSign(False, False, None, None))
        renewed_at, detected_at = kept.renewed_at, kept.detected_at
        holds = self.holds(sign.condition)
        becomes_true = holds and not (kept.holds and kept.renewed_at)
        if becomes_true:
            renewed_at = self.now
        if not holds and (renewed_at is None or renewed_at + timedelta(days=sign.lifetime_days) <= self.now):
            return False
        if detected_at is None or (becomes_true and not kept.is_active):
            detected_at = self.now
        strengths = ["weak", "medium", "strong"]
        if node.min_strength is not None and strengths.index(sign.strength) < strengths.index(node.min_strength):
            return False
        return self._is_in(detected_at, node.detected)

    def _rank(self, table: str) -> int:
        """The place of the highest rank fulfilled; -1: none."""
        ranks, found = self.library.ranks[table], -1
        for place, rank in enumerate(ranks.ranks):
            if rank.threshold is not None:
                measure = self.value(ranks.measure)
                fulfilled = measure is not None and measure >= rank.threshold
            else:
                fulfilled = rank.condition is not None and self.holds(rank.condition)
            found = place if fulfilled else found
        return found

    # Events

    def _events(self, match: Any, window: c.AnyWindow | None) -> list[PlainEvent]:  # whatever has event and where
        found = [
            event
            for event in self.customer.events
            if event.name == match.event
            and event.occurred_at <= self.now
            and all(compares(self._property(event, each.property), each.comparison, each.value) for each in match.where)
        ]
        inside = self._in_window([event.occurred_at for event in found], window)
        return [event for event in found if event.occurred_at in inside]

    def _moments(self, match: Any) -> list[datetime]:  # as above
        return [event.occurred_at for event in self._events(match, None)]

    def _in_window(self, moments: Sequence[datetime], window: c.AnyWindow | None) -> list[datetime]:
        return [moment for moment in moments if moment <= self.now and self._is_in(moment, window)]

    def _is_in(self, moment: datetime, window: c.AnyWindow | None) -> bool:
        match window:
            case c.Window():
                return moment > self.now - timedelta(days=window.days)
            case c.LastHours():
                return moment > self.now - timedelta(hours=window.hours)
            case c.Between():
                return (window.start is None or moment >= self._moment(window.start)) and (
                    window.end is None or moment < self._moment(window.end)
                )
            case c.CalendarWindow():
                zone = self.zone if window.zone is None else ZoneInfo(window.zone)
                of_moment, of_now = (
                    _period(each.astimezone(zone).date(), window.calendar) for each in (moment, self.now)
                )
                return of_moment == of_now + window.offset
            case c.SinceEvent():
                opening = self._which(window.since)
                return opening is not None and moment > opening
        return True

    def _which(self, event: c.WhichEvent) -> datetime | None:
        moments = self._moments(event)
        return None if not moments else max(moments) if event.which == "last" else min(moments)

    def _sequence(self, node: c.Sequence) -> bool:
        firsts = self._moments(node.first)
        return any(
            first < then <= first + _duration(node.within)
            for then in self._in_window(self._moments(node.then), node.window)
            for first in firsts
        )

    def _changes(self, trait: str) -> list[datetime]:
        changes = []
        said: dict[str, Any] = {}
        for each in sorted(self.customer.observations, key=lambda each: each.observed_at):
            if each.trait == trait:
                if each.source in said and not _same(said[each.source], each.value):
                    changes.append(each.observed_at)
                said[each.source] = each.value
        return changes

    def _property(self, event: PlainEvent, name: str) -> Any:
        value = event.properties.get(name)
        is_foreign = event.properties.get("currency", self.currency) != self.currency
        return None if name == "revenue" and number(value) is not None and is_foreign else value

    def _numbers(self, events: Sequence[PlainEvent], name: str) -> list[Decimal]:
        found = [number(self._property(event, name)) for event in events]
        return [each for each in found if each is not None]

    def _sum(self, events: Sequence[PlainEvent], name: str) -> Decimal:
        return sum(self._numbers(events, name), Decimal(0))

    # Days

    def _today(self) -> date:
        return self.now.astimezone(self.zone).date()

    def _day_condition(self, node: c.DateCondition | c.AnniversaryCondition) -> bool:
        return any(self._day_fits(node, *day) for day in self._days(node))

    def _days(self, node: c.DateCondition | c.AnniversaryCondition) -> list[tuple[date, int | None]]:
        """The days, and their years where known."""
        match node.of:
            case c.TraitDate():
                day = read_day(self.customer.traits.get(node.of.trait), self.zone)
                return [] if day is None else [(day, day.year)]
            case c.WhichEvent():
                moment = self._which(node.of)
                day = None if moment is None else moment.astimezone(self.zone).date()
                return [] if day is None else [(day, day.year)]
        found: list[tuple[date, int | None]] = []
        for each in self.customer.relations:
            wanted = (each.relation, each.occasion, each.purpose) == (
                node.of.relation, node.of.occasion, node.of.purpose,
            )  # fmt: skip
            if wanted and (each.ends_at is None or each.ends_at > self.now):
                if isinstance(node, c.AnniversaryCondition):
                    found.append((date(2000, each.month, each.day), each.year))
                elif each.year is not None:
                    found.append((_in_year(date(2000, each.month, each.day), each.year), each.year))
        return found

    def _day_fits(self, node: c.DateCondition | c.AnniversaryCondition, day: date, year: int | None) -> bool:
        if isinstance(node, c.DateCondition) and node.date is not None:
            other = date.fromisoformat(node.date)
            return {"before": day < other, "on": day == other, "after": day > other}[node.position]
        days = [day]
        if isinstance(node, c.AnniversaryCondition):
            years = range(self._today().year - 2, self._today().year + 3)
            days = [_in_year(day, each) for each in years if year is None or each > year]
        return any(_lies(node.position, (self._today() - each).days, node.days or 0) for each in days)

    def _moment(self, text: str) -> datetime:
        if len(text) == 10:
            return datetime.combine(date.fromisoformat(text), time(), tzinfo=self.zone)
        return datetime.fromisoformat(text)

    # Values

    def _value_condition(self, node: c.ValueCondition) -> bool:
        left = self.value(node.of)
        if node.comparison == "exists":
            return left is not None
        if node.than is not None:
            return compares(left, node.comparison, self.value(node.than))
        values = node.value if isinstance(node.value, list) else [node.value]
        others = [self._moment(str(value)) if isinstance(left, datetime) else value for value in values]
        return compares(left, node.comparison, others if node.comparison == "in" else others[0])

    def value(self, node: c.Value | None) -> Any:  # noqa: C901  # a case for each kind of Value
        """A Value: Decimal, str, datetime, or None when it is missing."""
        match node:
            case None:
                return None
            case c.ConstantValue():
                return node.value if isinstance(node.value, str) else Decimal(node.value)
            case c.MomentValue():
                return self._moment(node.moment)
            case c.TraitValue():
                value = self.customer.traits.get(node.trait)
                if node.read_as == "moment":
                    return read_moment(value, self.zone)
                return number(value) if node.read_as == "number" else value if isinstance(value, str) else None
            case c.EventValue():
                return self._event_value(node)
            case c.ComputedValue():
                return self.value(self.library.computed[node.key])
            case c.PointsValue():
                return self.value(self.library.ranks[node.table].measure)
            case c.DistanceValue():
                table = self.library.ranks[node.table]
                measure = self.value(table.measure)
                above = table.ranks[self._rank(node.table) + 1 :]
                ahead = next((rank.threshold for rank in above if rank.threshold is not None), None)
                return None if ahead is None or measure is None else ahead - measure
            case c.RoundedDown():
                of = self.value(node.of)
                return None if of is None else of.to_integral_value(ROUND_FLOOR)
            case c.TimeSince():
                return self._time_since(self.value(node.of), node.unit)
            case c.CaseValue():
                for case in node.cases:
                    if self.holds(case.condition):
                        return self.value(case.value)
                return self.value(node.otherwise)
        return _calculated(node.kind, [self.value(each) for each in node.of])

    def _event_value(self, node: c.EventValue) -> Any:
        events = self._events(node, node.window)
        moments = sorted(event.occurred_at for event in events)
        local = [moment.astimezone(self.zone) for moment in moments]
        numbers = self._numbers(events, node.property) if node.property is not None else []
        texts = [self._property(event, node.property) for event in events] if node.property is not None else []
        functions: dict[str, Callable[[], Any]] = {
            "count": lambda: Decimal(len(events)),
            "distinct_days": lambda: Decimal(len({each.date() for each in local})),
            "sum": lambda: sum(numbers, Decimal(0)),
            "average": lambda: _six(sum(numbers, Decimal(0)), len(numbers)) if numbers else None,
            "minimum": lambda: min(numbers, default=None),
            "maximum": lambda: max(numbers, default=None),
            "first": lambda: min(moments, default=None),
            "last": lambda: max(moments, default=None),
            "gap": lambda: Decimal((moments[-1] - moments[-2]) // timedelta(days=1)) if len(moments) > 1 else None,
            "most_frequent": lambda: _mode([each for each in texts if isinstance(each, str)]),
            "most_frequent_hour": lambda: _mode([Decimal(each.hour) for each in local]),
        }
        return functions[node.function]()

    def _time_since(self, moment: datetime | None, unit: str) -> Decimal | None:
        if moment is None:
            return None
        if unit == "calendar_days":
            return Decimal((self._today() - moment.astimezone(self.zone).date()).days)
        return Decimal((self.now - moment) // timedelta(**{unit: 1}))


def compares(value: Any, comparison: str, other: Any) -> bool:
    """As the language compares: like with like, missing is false."""
    if comparison == "exists":
        return value is not None
    if comparison == "in":
        return any(compares(value, "eq", each) for each in other)
    if comparison == "contains_any":
        return isinstance(value, list) and any(compares(value, "contains", each) for each in other)
    if comparison == "contains" and isinstance(value, list):
        return any(compares(each, "eq", other) for each in value)
    if comparison in {"contains", "starts_with"}:
        both = isinstance(value, str) and isinstance(other, str)
        return both and (other in value if comparison == "contains" else value.startswith(other))
    compare = getattr(operator, comparison)
    if number(value) is not None and number(other) is not None:
        return bool(compare(number(value), number(other)))
    if type(value) is type(other) and isinstance(value, str | bool | datetime):
        return bool(compare(value, other))
    return False


def number(value: Any) -> Decimal | None:
    """A JSON number."""
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number else None


def read_moment(value: Any, zone: ZoneInfo) -> datetime | None:
    """A text trait as a moment."""
    if not isinstance(value, str) or not _ISO.fullmatch(value):
        return None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    return (moment.replace(tzinfo=zone) if moment.tzinfo is None else moment).astimezone(UTC)


def read_day(value: Any, zone: ZoneInfo) -> date | None:
    """A text trait as a day."""
    moment = read_moment(value, zone)
    return None if moment is None else moment.astimezone(zone).date()


def _same(one: Any, other: Any) -> bool:
    return (type(one) is type(other) and bool(one == other)) or compares(one, "eq", other)


def _duration(duration: c.Duration) -> timedelta:
    return timedelta(days=duration.days, hours=duration.hours)


def _period(day: date, unit: str) -> int:
    """The number of a calendar period: neighbours differ by one."""
    months = day.year * 12 + day.month - 1
    return {
        "day": day.toordinal(),
        "week": (day.toordinal() - 1) // 7,  # day 1 was a Monday
        "month": months,
        "quarter": months // 3,
        "year": day.year,
    }[unit]


def _in_year(day: date, year: int) -> date:
    """The day in another year; 29 February is the 28th in a common one."""
    try:
        return day.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def _lies(position: str, after: int, days: int) -> bool:
    """`after`: days from the day to today."""
    return {
        "days_before": after == -days,
        "days_after": after == days,
        "within_next": -days <= after <= 0,
        "within_last": 0 <= after <= days,
    }[position]


def _calculated(kind: str, values: list[Any]) -> Any:
    if kind in {"least", "greatest"}:
        present = [value for value in values if value is not None]
        return (min if kind == "least" else max)(present, default=None)
    if any(value is None for value in values):
        return None
    if kind == "add":
        return sum(values, Decimal(0))
    result = values[0]
    for value in values[1:]:
        if kind == "subtract":
            result = result - value
        elif result is None or abs(result) >= _HUGE or abs(value) >= _HUGE or (kind == "divide" and value == 0):
            return None
        else:
            result = _six(result * value) if kind == "multiply" else _six(result, value)
    return result


def _six(dividend: Decimal, divisor: Decimal | int = 1) -> Decimal:
    with localcontext(prec=80):
        return (dividend / divisor).quantize(Decimal("0.000001"), rounding=ROUND_HALF_UP)


def _mode(values: list[Any]) -> Any:
    counts = Counter(values)
    return min((value for value in counts if counts[value] == max(counts.values())), default=None)
