"""The condition language: ONE typed tree for segments, signs, ranks, triggers and branches.

A **Condition** is true or false of a customer at a moment; a **Value** is a number, a text or a moment about the
customer, or missing. docs/conditions.md shows every node. How they read, and what an implementation is tested against:

- Times are UTC instants. Windows of days and hours count back from the moment of evaluation, a day having 24 hours;
  calendar windows, dates and anniversaries go by the days of the customer's zone.
- An event counts from its `occurred_at` on: one dated in the future does not count yet.
- Numbers compare as numbers, text as text by code point, booleans only with `eq` and `ne`. A trait, property or Value
  that is missing, `null` or of another type compares false, also with `ne`; say `{"kind": "not", ...}` to invert.
- Money is decimal in the base currency: the `revenue` of an event in another `currency` counts as missing.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    StrictBool,
    StrictInt,
    StringConstraints,
    Tag,
    model_validator,
)

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]
FilterComparison = Comparison | Literal["exists", "contains", "starts_with", "in"]
TraitComparison = Comparison | Literal["exists", "contains", "starts_with", "in", "contains_any"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


def _json_number(value: Decimal) -> int | float:
    """Exact: 15 significant digits survive a double. As a string, the number would be read back as text."""
    return int(value) if value == value.to_integral_value() else float(value)


Number = Annotated[Decimal, Field(max_digits=15), PlainSerializer(_json_number, return_type=float, when_used="json")]
Text = Annotated[str, StringConstraints(strict=True, max_length=1000, pattern=r"^[^\x00]*$")]
Integer = Annotated[StrictInt, Field(ge=-(10**15), le=10**15)]
Scalar = Text | StrictBool | Integer | Number
Scalars = Annotated[list[Scalar], Field(min_length=1, max_length=1000)]
"""What `in` and `contains_any` take."""

_DATE = r"^\d{4}-\d{2}-\d{2}$"
_MOMENT = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2}))?$"


def _a_date(text: str) -> str:
    _in_range(date.fromisoformat(text).year)
    return text


def _a_moment(text: str) -> str:
    _in_range(date.fromisoformat(text).year if re.match(_DATE, text) else datetime.fromisoformat(text).year)
    return text


def _in_range(year: int) -> None:
    if not 1000 <= year <= 3000:
        raise ValueError("the year lies outside 1000 to 3000")


Date = Annotated[str, StringConstraints(pattern=_DATE), AfterValidator(_a_date)]
"""YYYY-MM-DD, a day of the customer's zone."""
Moment = Annotated[str, StringConstraints(pattern=_MOMENT), AfterValidator(_a_moment)]
"""An ISO 8601 date-time with its offset, or a date: the midnight it begins with in the customer's zone."""
Days = Annotated[int, Field(ge=1, le=3660)]


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PropertyFilter(_Node):
    """An event counts only when its property compares so.

    `exists` takes no value and `in` a list; `contains` and `starts_with` take text, `contains` also what a list holds.
    """

    property: Name
    comparison: FilterComparison
    value: Scalar | Scalars | None = None

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if (self.comparison == "exists") != (self.value is None):
            raise ValueError("`exists` takes no value, every other comparison needs one")
        if (self.comparison == "in") != isinstance(self.value, list):
            raise ValueError("`in` takes a list, no other comparison does")
        return self


Filters = Annotated[list[PropertyFilter], Field(max_length=10)]


class EventMatch(_Node):
    """Events of that name that fulfil every filter."""

    event: Name
    where: Filters = []


class WhichEvent(EventMatch):
    """The first or the last of such events."""

    which: Literal["first", "last"] = "last"


# Windows: told apart by what they say.


class Window(_Node):
    """The last `days` days: `now - days < occurred_at <= now`."""

    days: Days


class LastHours(_Node):
    """The last `hours` hours: `now - hours < occurred_at <= now`."""

    hours: Annotated[int, Field(ge=1, le=87_840)]


class Between(_Node):
    """`start <= occurred_at < end`; one of the two may be left out."""

    start: Moment | None = None
    end: Moment | None = None

    @model_validator(mode="after")
    def _is_a_window(self) -> Self:
        if self.start is None and self.end is None:
            raise ValueError("`start` or `end` must be said")
        return self


class CalendarWindow(_Node):
    """A day, week (from Monday), month, quarter or year of the calendar: the current one (0), the one before (-1).

    In the customer's zone, or in `zone` (an IANA name).
    """

    calendar: Literal["day", "week", "month", "quarter", "year"]
    offset: Annotated[int, Field(ge=-1000, le=0)] = 0
    zone: Annotated[str, StringConstraints(min_length=1, max_length=64)] | None = None


class SinceEvent(_Node):
    """After the first or last event named, which is itself not in it. Without such an event nothing is in it."""

    since: WhichEvent


def _told_apart(**tags: str) -> Discriminator:
    """Tell the members of a union apart by a key that only one of them has: `key="tag"`. No tag is a key."""

    def tag(value: object) -> str | None:
        has = value.__contains__ if isinstance(value, Mapping) else partial(hasattr, value)
        return next((tags[key] for key in tags if has(key)), None)

    keys = ", ".join(f"`{key}`" for key in tags)
    return Discriminator(tag, custom_error_type="no_such_kind", custom_error_message=f"One of {keys} must be said")


AnyWindow = Annotated[
    Annotated[Window, Tag("last_days")]
    | Annotated[LastHours, Tag("last_hours")]
    | Annotated[Between, Tag("between")]
    | Annotated[CalendarWindow, Tag("calendar_period")]
    | Annotated[SinceEvent, Tag("since_event")],
    _told_apart(
        days="last_days",
        hours="last_hours",
        start="between",
        end="between",
        calendar="calendar_period",
        since="since_event",
    ),
]


class Duration(_Node):
    """Days of 24 hours, and hours; at least one hour together."""

    days: Annotated[int, Field(ge=0, le=3660)] = 0
    hours: Annotated[int, Field(ge=0, le=87_840)] = 0

    @model_validator(mode="after")
    def _lasts(self) -> Self:
        if self.days == self.hours == 0:
            raise ValueError("a duration lasts at least one hour")
        return self


# Values


class ConstantValue(_Node):
    """A number or a text."""

    kind: Literal["constant"]
    value: Text | Integer | Number


class MomentValue(_Node):
    """A moment."""

    kind: Literal["moment"]
    moment: Moment


class TraitValue(_Node):
    """The folded trait read as a number, a text, or a moment (an ISO date or date-time); missing if it is none."""

    kind: Literal["trait"]
    trait: Name
    read_as: Literal["number", "text", "moment"]


class EventValue(_Node):
    """What such events come to.

    `count` and `distinct_days` (days of the customer's zone): 0 for none. `sum` of a numeric property: 0 for none.
    `average` (to 6 decimals), `minimum`, `maximum` of it; `first` and `last`: moments; `gap`: whole days of 24 hours
    between the latest two; `most_frequent` text of a property, `most_frequent_hour` (0 to 23 in the customer's zone),
    the least of equally frequent ones: missing for none.
    """

    kind: Literal["events"]
    function: Literal[
        "count", "distinct_days", "sum", "average", "minimum", "maximum", "first", "last", "gap", "most_frequent",
        "most_frequent_hour",
    ]  # fmt: skip
    event: Name
    property: Name | None = None
    """For `sum`, `average`, `minimum`, `maximum` and `most_frequent`; not for others."""
    window: AnyWindow | None = None
    where: Filters = []


class ComputedValue(_Node):
    """A computed value by its key."""

    kind: Literal["computed"]
    key: Name


class PointsValue(_Node):
    """The measure a table of ranks goes by."""

    kind: Literal["points"]
    table: Name = "default"


class DistanceValue(_Node):
    """What lacks to the next rank's threshold; missing for the highest rank."""

    kind: Literal["distance_to_next_rank"]
    table: Name = "default"


class Calculation(_Node):
    """`add`, `multiply`: all together; `subtract`, `divide`: the second from, by which, the first; missing if any is.

    `divide` by 0 is missing; products and quotients are rounded to 6 decimals, half away from zero, and missing when an
    operand is 10**30 or more. `least` and `greatest` of those that are not missing, of one kind.
    """

    kind: Literal["add", "subtract", "multiply", "divide", "least", "greatest"]
    of: Annotated[list["Value"], Field(min_length=2, max_length=10)]


class RoundedDown(_Node):
    """The greatest whole number that is not above."""

    kind: Literal["round_down"]
    of: "Value"


class TimeSince(_Node):
    """Whole `days` (24 hours) or `hours` since a moment, or `calendar_days` of the zone; negative before it."""

    kind: Literal["time_since"]
    of: "Value"
    unit: Literal["days", "hours", "calendar_days"] = "days"


class Case(_Node):
    """A value for those of whom a condition holds."""

    condition: "Condition"
    value: "Value"


class CaseValue(_Node):
    """The value of the first case whose condition holds, else `otherwise`, else missing; all of one kind."""

    kind: Literal["case"]
    cases: Annotated[list[Case], Field(min_length=1, max_length=20)]
    otherwise: "Value | None" = None


# Conditions


class TraitCondition(_Node):
    """The folded trait compares with a value.

    `exists` takes none. `contains`: a text contains it, or a list holds it. `starts_with`: text. `in`: is one of a list
    of values. `contains_any`: a list holds one of a list of values.
    """

    kind: Literal["trait"]
    trait: Name
    comparison: TraitComparison
    value: Scalar | Scalars | None = None


class TraitChanged(_Node):
    """A source said in the window something else of the trait than it had said before; its first word is no change."""

    kind: Literal["trait_changed"]
    trait: Name
    window: AnyWindow | None = None


class EventCount(_Node):
    """How many such events (0 for none)."""

    kind: Literal["event_count"]
    event: Name
    comparison: Comparison
    value: Annotated[int, Field(ge=0, le=10**9)]
    window: AnyWindow | None = None
    where: Filters = []


class EventSum(_Node):
    """The sum of a numeric property over such events (0 for none; not a number counts 0)."""

    kind: Literal["event_sum"]
    event: Name
    property: Name
    comparison: Comparison
    value: Number
    window: AnyWindow | None = None
    where: Filters = []


class EventRecency(_Node):
    """The `first` or `last` such event happened `within` the last `days` days, or `before` them. No event: false."""

    kind: Literal["event_first", "event_last"]
    event: Name
    position: Literal["within", "before"]
    days: Days
    where: Filters = []


class Sequence(_Node):
    """A `then` event in the window has a `first` event before it, at most `within` earlier."""

    kind: Literal["sequence"]
    first: EventMatch
    then: EventMatch
    within: Duration
    window: AnyWindow | None = None


class Without(_Node):
    """The latest `event` lies at least `for_at_least` back, and no `without` event happened with or after it."""

    kind: Literal["without"]
    event: EventMatch
    without: EventMatch
    for_at_least: Duration


class TraitDate(_Node):
    """The day a trait names (an ISO date, or the day of a date-time)."""

    trait: Name


class RelationDate(_Node):
    """The days of that occasion of the customer's relations, given for that purpose; any of them may fulfil it."""

    relation: Name
    occasion: Name
    purpose: Name


DateOf = Annotated[
    Annotated[TraitDate, Tag("of_trait")]
    | Annotated[RelationDate, Tag("of_relation")]
    | Annotated[WhichEvent, Tag("of_event")],
    _told_apart(trait="of_trait", relation="of_relation", event="of_event"),
]


class DateCondition(_Node):
    """Where today lies beside a day, in calendar days of the customer's zone.

    The day lies `before`, `on` or `after` a `date`; today is the day exactly `days_before` or `days_after` it; it comes
    `within_next` or came `within_last` so many `days`, today included.
    """

    kind: Literal["date"]
    of: DateOf
    position: Literal["before", "on", "after", "days_before", "days_after", "within_next", "within_last"]
    date: Date | None = None
    days: Annotated[int, Field(ge=0, le=3660)] | None = None


class AnniversaryCondition(_Node):
    """The same beside the yearly return of a day, from the year after it on. 29 February is observed on the 28th in
    common years."""

    kind: Literal["anniversary"]
    of: DateOf
    position: Literal["days_before", "days_after", "within_next", "within_last"]
    days: Annotated[int, Field(ge=0, le=365)]


class SegmentCondition(_Node):
    """The customer is in that published segment or on that static list."""

    kind: Literal["segment"]
    segment: Name


class StaticListCondition(_Node):
    """The customer is on the static list of that id: what the condition of a static list's own segment says."""

    kind: Literal["static_list"]
    segment_id: UUID


class RankCondition(_Node):
    """The customer's rank. No rank (null) is below every rank."""

    kind: Literal["rank"]
    position: Literal["is", "at_least", "at_most"]
    rank: Name | None
    table: Name = "default"


class LifecycleCondition(_Node):
    """The customer is in one of those states."""

    kind: Literal["lifecycle"]
    states: Annotated[list[Name], Field(min_length=1, max_length=20)]


class IdentifierCondition(_Node):
    """An identifier of that namespace is known."""

    kind: Literal["identifier"]
    namespace: Name


class PercentileCondition(_Node):
    """Among the `top` or `bottom` `percent` of all customers, by the latest cut points, with ties; none yet: false."""

    kind: Literal["percentile"]
    of: Literal["recency", "frequency", "monetary"] | ComputedValue
    position: Literal["top", "bottom"]
    percent: Annotated[int, Field(ge=1, le=99)]


class ValueCondition(_Node):
    """A Value compares with a constant (a moment as ISO text), or with another Value (`than`), or `exists`."""

    kind: Literal["value"]
    of: "Value"
    comparison: Comparison | Literal["exists", "in"]
    value: Scalar | Scalars | None = None
    than: "Value | None" = None


class AllOf(_Node):
    """Every condition holds."""

    kind: Literal["and"]
    conditions: Annotated[list["Condition"], Field(min_length=1, max_length=50)]


class AnyOf(_Node):
    """At least one condition holds."""

    kind: Literal["or"]
    conditions: Annotated[list["Condition"], Field(min_length=1, max_length=50)]


class Not(_Node):
    """The condition does not hold."""

    kind: Literal["not"]
    condition: "Condition"


Value = Annotated[
    ConstantValue
    | MomentValue
    | TraitValue
    | EventValue
    | ComputedValue
    | PointsValue
    | DistanceValue
    | Calculation
    | RoundedDown
    | TimeSince
    | CaseValue,
    Field(discriminator="kind"),
]
Condition = Annotated[
    TraitCondition
    | TraitChanged
    | EventCount
    | EventSum
    | EventRecency
    | Sequence
    | Without
    | DateCondition
    | AnniversaryCondition
    | SegmentCondition
    | StaticListCondition
    | RankCondition
    | LifecycleCondition
    | IdentifierCondition
    | PercentileCondition
    | ValueCondition
    | AllOf
    | AnyOf
    | Not,
    Field(discriminator="kind"),
]
"""Checked further where it is stored: at most 200 nodes, 12 levels, what takes a value has one of the right kind."""
