"""Conditions that hold no other."""

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, Tag

from contracts.conditions.fields import (
    Comparison,
    Date,
    Days,
    EventMatch,
    Filters,
    Name,
    Node,
    Number,
    Scalar,
    Scalars,
    TraitComparison,
    WhichEvent,
    told_apart,
)
from contracts.conditions.values import ComputedValue
from contracts.conditions.windows import AnyWindow, Duration, RecentWindow
from contracts.profile import SignStrength


class TraitCondition(Node):
    """The folded trait compares with a value.

    `exists` takes none. `contains`: a text contains it, or a list holds it. `starts_with`: text. `in`: is one of a list
    of values. `contains_any`: a list holds one of a list of values.
    """

    kind: Literal["trait"]
    trait: Name
    comparison: TraitComparison
    value: Scalar | Scalars | None = None


class TraitChanged(Node):
    """A source said in the window something else of the trait than it had said before; its first word is no change."""

    kind: Literal["trait_changed"]
    trait: Name
    window: AnyWindow | None = None


class EventCount(Node):
    """How many such events (0 for none)."""

    kind: Literal["event_count"]
    event: Name
    comparison: Comparison
    value: Annotated[int, Field(ge=0, le=10**9)]
    window: AnyWindow | None = None
    where: Filters = Field(default=[])


class EventSum(Node):
    """The sum of a numeric property over such events (0 for none; not a number counts 0)."""

    kind: Literal["event_sum"]
    event: Name
    property: Name
    comparison: Comparison
    value: Number
    window: AnyWindow | None = None
    where: Filters = Field(default=[])


class EventRecency(Node):
    """The `first` or `last` such event happened `within` the last `days` days, or `before` them. No event: false."""

    kind: Literal["event_first", "event_last"]
    event: Name
    position: Literal["within", "before"]
    days: Days
    where: Filters = Field(default=[])


class Sequence(Node):
    """A `then` event in the window has a `first` event before it, at most `within` earlier."""

    kind: Literal["sequence"]
    first: EventMatch
    then: EventMatch
    within: Duration
    window: AnyWindow | None = None


class Without(Node):
    """The latest `event` lies at least `for_at_least` back, and no `without` event happened with or after it."""

    kind: Literal["without"]
    event: EventMatch
    without: EventMatch
    for_at_least: Duration


class TraitDate(Node):
    """The day a trait names (an ISO date, or the day of a date-time)."""

    trait: Name


class RelationDate(Node):
    """The days of that occasion of the customer's relations, given for that purpose; any of them may fulfil it."""

    relation: Name
    occasion: Name
    purpose: Name


DateOf = Annotated[
    Annotated[TraitDate, Tag("of_trait")]
    | Annotated[RelationDate, Tag("of_relation")]
    | Annotated[WhichEvent, Tag("of_event")],
    told_apart(trait="of_trait", relation="of_relation", event="of_event"),
]


class DateCondition(Node):
    """Where today lies beside a day, in calendar days of the customer's zone.

    The day lies `before`, `on` or `after` a `date`; today is the day exactly `days_before` or `days_after` it; it comes
    `within_next` or came `within_last` so many `days`, today included.
    """

    kind: Literal["date"]
    of: DateOf
    position: Literal["before", "on", "after", "days_before", "days_after", "within_next", "within_last"]
    date: Date | None = None
    days: Annotated[int, Field(ge=0, le=3660)] | None = None


class AnniversaryCondition(Node):
    """The same beside the yearly return of a day, from the year after it on. 29 February is observed on the 28th in
    common years."""

    kind: Literal["anniversary"]
    of: DateOf
    position: Literal["days_before", "days_after", "within_next", "within_last"]
    days: Annotated[int, Field(ge=0, le=365)]


class SegmentCondition(Node):
    """The customer is in that published segment or on that static list."""

    kind: Literal["segment"]
    segment: Name


class SignCondition(Node):
    """The customer shows that published sign now: its condition holds, or since it last became true its lifetime has
    not passed.

    `detected`: it was detected in that window (a renewal is no detection). `min_strength`: as published it is at least
    that strong.
    """

    kind: Literal["sign"]
    sign: Name
    detected: RecentWindow | None = None
    min_strength: SignStrength | None = None


class StaticListCondition(Node):
    """The customer is on the static list of that id: what the condition of a static list's own segment says."""

    kind: Literal["static_list"]
    segment_id: UUID


class RankCondition(Node):
    """The customer's rank. No rank (null) is below every rank."""

    kind: Literal["rank"]
    position: Literal["is", "at_least", "at_most"]
    rank: Name | None
    table: Name = "default"


class LifecycleCondition(Node):
    """The customer is in one of those states."""

    kind: Literal["lifecycle"]
    states: Annotated[list[Name], Field(min_length=1, max_length=20)]


class IdentifierCondition(Node):
    """An identifier of that namespace is known."""

    kind: Literal["identifier"]
    namespace: Name


class PercentileCondition(Node):
    """Among the `top` or `bottom` `percent` of all customers, by the latest cut points, with ties; none yet: false."""

    kind: Literal["percentile"]
    of: Literal["recency", "frequency", "monetary"] | ComputedValue
    position: Literal["top", "bottom"]
    percent: Annotated[int, Field(ge=1, le=99)]
