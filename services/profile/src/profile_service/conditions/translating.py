"""The parts of a tree that refer to nothing: from the contract's models to the compiler's nodes, checked on the way."""

import math
from collections.abc import Sequence
from datetime import date, datetime, time
from decimal import Decimal
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from contracts import conditions as c
from profile_service.conditions import nodes as n
from servicekit.errors import Invalid

MAX_SPAN = 1_000_000
"""Hours or days a time since may be compared with: beyond, no calendar goes."""
_DATE_LENGTH = len("2026-01-01")


def plain(value: c.Scalar) -> n.Plain:
    """A JSON value as a node holds it."""
    if isinstance(value, bool):
        return n.Truth(value)
    return value if isinstance(value, str) else Decimal(value)


def plain_or_many(
    value: c.Scalar | Sequence[c.Scalar] | None,
) -> n.Plain | tuple[n.Plain, ...] | None:
    """A value, the values of a list, or nothing."""
    if value is None:
        return None
    return tuple(plain(each) for each in value) if isinstance(value, list) else plain(value)  # type: ignore[arg-type]


def moment(text: str) -> datetime | date:
    """A moment, or a date, as the contract takes them."""
    return date.fromisoformat(text) if len(text) == _DATE_LENGTH else datetime.fromisoformat(text)


def midnight(moment: datetime | date, zone: ZoneInfo) -> datetime:
    """A moment as it is, a date as the midnight it begins with."""
    return moment if isinstance(moment, datetime) else datetime.combine(moment, time(), tzinfo=zone)


def check_comparison(comparison: str, value: object, *, field: str) -> None:
    """Refuse a comparison that does not go with its value.

    Raises:
        Invalid: naming `{field}.comparison` or `{field}.value`.
    """
    if comparison == "exists":
        if value is not None:
            raise Invalid("`exists` takes no value.", field=f"{field}.value")
    elif value is None:
        raise Invalid("This comparison needs a value.", field=f"{field}.value")
    elif isinstance(value, list) != (comparison in {"in", "contains_any"}):
        raise Invalid("`in` and `contains_any` take a list, no other comparison does.", field=f"{field}.value")
    elif comparison == "starts_with" and not isinstance(value, str):
        raise Invalid("`starts_with` takes text.", field=f"{field}.value")
    elif isinstance(value, bool) and comparison in {"lt", "le", "gt", "ge"}:
        raise Invalid("true and false compare with `eq` and `ne` only.", field=f"{field}.comparison")


def filters(where: Sequence[c.PropertyFilter], *, field: str = "where") -> tuple[n.Filter, ...]:
    """Property filters.

    Raises:
        Invalid: with the path of the filter's comparison or value.
    """
    for position, each in enumerate(where):
        check_comparison(each.comparison, each.value, field=f"{field}.{position}")
    return tuple(n.Filter(each.property, each.comparison, plain_or_many(each.value)) for each in where)


def events(match: c.EventMatch | c.EventCount | c.EventSum | c.EventRecency | c.EventValue, *, field: str) -> n.Events:
    """Events of a name, with filters."""
    return n.Events(match.event, filters(match.where, field=f"{field}.where"))


def hours(duration: c.Duration) -> int:
    """A duration in hours."""
    return duration.days * 24 + duration.hours


def recent_hours(window: c.RecentWindow | None) -> int | None:
    """How many hours a window reaches back."""
    return window if window is None else window.hours if isinstance(window, c.LastHours) else window.days * 24


def window(window: c.AnyWindow | None, *, field: str) -> n.Window | None:
    """A window, with dates and zones that exist.

    Raises:
        Invalid: it ends before it starts, or its zone is unknown.
    """
    match window:
        case c.Window():
            return n.LastHours(window.days * 24)
        case c.LastHours():
            return n.LastHours(window.hours)
        case c.Between():
            start, end = (None if text is None else moment(text) for text in (window.start, window.end))
            if type(start) is type(end) and start is not None and end is not None and end <= start:
                raise Invalid("The window ends before it starts.", field=f"{field}.end")
            return n.Between(start, end)
        case c.CalendarWindow():
            return n.Calendar(window.calendar, window.offset, _zone(window.zone, field=f"{field}.zone"))
        case c.SinceEvent():
            return n.Since(events(window.since, field=f"{field}.since"), window.since.which)
    return None


def _zone(name: str | None, *, field: str) -> str | None:
    if name is not None and name not in _zones():
        raise Invalid("There is no such time zone.", field=field)
    return name


@cache
def _zones() -> frozenset[str]:
    """Regions' zones and UTC: names that PostgreSQL has as well, unlike `localtime` or `Factory`."""
    return frozenset(name for name in available_timezones() if "/" in name or name == "UTC")


def constant(value: c.Scalar, kind: n.Kind | None, *, field: str) -> n.Constant:
    """A constant to compare an expression of that kind with (None: not known yet).

    Raises:
        Invalid: it is of another kind.
    """
    if isinstance(value, bool):
        raise Invalid("A Value is a number, a text or a moment, not true or false.", field=field)
    if kind == "moment":
        return n.Constant(_moment_text(value, field=field), "moment")
    found: n.Kind = "text" if isinstance(value, str) else "number"
    if kind is not None and found != kind:
        raise Invalid(f"A {kind} does not compare with a {found}.", field=field)
    return n.Constant(value if isinstance(value, str) else Decimal(value), found)


def _moment_text(value: object, *, field: str) -> datetime | date:
    try:
        checked = c.MomentValue.model_validate({"kind": "moment", "moment": value})
    except ValueError:
        raise Invalid("A moment compares with an ISO 8601 date or date-time.", field=field) from None
    return moment(checked.moment)


def at_least(comparison: str, bound: Decimal) -> tuple[str, int | None, int | None]:
    """A comparison of whole numbers, said with `>=` only: (how, from, before).

    `("in", a, b)`: a <= x < b (None: no such bound); `("out", a, b)`: not so; a bound between whole numbers for `eq`
    gives the empty `("in", 0, 0)`.
    """
    floor, ceiling = math.floor(bound), math.ceil(bound)
    match comparison:
        case "ge":
            return "in", ceiling, None
        case "gt":
            return "in", floor + 1, None
        case "lt":
            return "in", None, ceiling
        case "le":
            return "in", None, floor + 1
    exact = (floor, floor + 1) if floor == ceiling else (0, 0)
    return ("in" if comparison == "eq" else "out"), *exact


def day(text: str) -> date:
    """A date as the contract takes it."""
    return date.fromisoformat(text)
