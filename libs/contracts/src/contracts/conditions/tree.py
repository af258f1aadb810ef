"""Values and conditions that hold others, and what a Value and a Condition may be."""

from typing import Annotated, Literal

from pydantic import Field

from contracts.conditions.conditions import (
    AnniversaryCondition,
    DateCondition,
    EventCount,
    EventRecency,
    EventSum,
    IdentifierCondition,
    LifecycleCondition,
    PercentileCondition,
    RankCondition,
    SegmentCondition,
    Sequence,
    SignCondition,
    StaticListCondition,
    TraitChanged,
    TraitCondition,
    Without,
)
from contracts.conditions.fields import Comparison, Node, Scalar, Scalars
from contracts.conditions.values import (
    ComputedValue,
    ConstantValue,
    DistanceValue,
    EventValue,
    MomentValue,
    PointsValue,
    TraitValue,
)


class Calculation(Node):
    """`add`, `multiply`: all together; `subtract`, `divide`: the second from, by which, the first; missing if any is.

    `divide` by 0 is missing; products and quotients are rounded to 6 decimals, half away from zero, and missing when an
    operand is 10**30 or more. `least` and `greatest` of those that are not missing, of one kind.
    """

    kind: Literal["add", "subtract", "multiply", "divide", "least", "greatest"]
    of: Annotated[list["Value"], Field(min_length=2, max_length=10)]


class RoundedDown(Node):
    """The greatest whole number that is not above."""

    kind: Literal["round_down"]
    of: "Value"


class TimeSince(Node):
    """Whole `days` (24 hours) or `hours` since a moment, or `calendar_days` of the zone; negative before it."""

    kind: Literal["time_since"]
    of: "Value"
    unit: Literal["days", "hours", "calendar_days"] = "days"


class Case(Node):
    """A value for those of whom a condition holds."""

    condition: "Condition"
    value: "Value"


class CaseValue(Node):
    """The value of the first case whose condition holds, else `otherwise`, else missing; all of one kind."""

    kind: Literal["case"]
    cases: Annotated[list[Case], Field(min_length=1, max_length=20)]
    otherwise: "Value | None" = None


class ValueCondition(Node):
    """A Value compares with a constant (a moment as ISO text), or with another Value (`than`), or `exists`."""

    kind: Literal["value"]
    of: "Value"
    comparison: Comparison | Literal["exists", "in"]
    value: Scalar | Scalars | None = None
    than: "Value | None" = None


class AllOf(Node):
    """Every condition holds."""

    kind: Literal["and"]
    conditions: Annotated[list["Condition"], Field(min_length=1, max_length=50)]


class AnyOf(Node):
    """At least one condition holds."""

    kind: Literal["or"]
    conditions: Annotated[list["Condition"], Field(min_length=1, max_length=50)]


class Not(Node):
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
    | SignCondition
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
