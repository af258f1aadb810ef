"""The condition language, first version: ONE typed tree for segments, signs, ranks, triggers and branches.

Times are UTC instants, windows are whole days of 24 hours counted back from the moment of evaluation, money is decimal in
the base currency. A missing trait or property compares false, also with `ne`; say `{"kind": "not", ...}` to invert.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Scalar = str | bool | int | Decimal


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PropertyFilter(_Node):
    """An event counts only when its property compares so. Numbers compare as numbers, text as text."""

    property: Name
    comparison: Comparison
    value: Scalar


class TraitCondition(_Node):
    """The folded trait compares with a value; `exists` needs none."""

    kind: Literal["trait"]
    trait: Name
    comparison: Comparison | Literal["exists"]
    value: Scalar | None = None


class Window(_Node):
    """The last `days` days: `now - days < occurred_at <= now`."""

    days: Annotated[int, Field(ge=1, le=3660)]


class EventCount(_Node):
    """How many such events (0 for none)."""

    kind: Literal["event_count"]
    event: Name
    comparison: Comparison
    value: Annotated[int, Field(ge=0)]
    window: Window | None = None
    where: Annotated[list[PropertyFilter], Field(max_length=10)] = []


class EventSum(_Node):
    """The sum of a numeric property over such events (0 for none; not a number counts 0)."""

    kind: Literal["event_sum"]
    event: Name
    property: Name
    comparison: Comparison
    value: Decimal
    window: Window | None = None
    where: Annotated[list[PropertyFilter], Field(max_length=10)] = []


class EventRecency(_Node):
    """The `first` or `last` such event happened `within` (or not within: `before`) the last `days` days. None at all: false."""

    kind: Literal["event_first", "event_last"]
    event: Name
    position: Literal["within", "before"]
    days: Annotated[int, Field(ge=1, le=3660)]
    where: Annotated[list[PropertyFilter], Field(max_length=10)] = []


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


Condition = Annotated[
    TraitCondition | EventCount | EventSum | EventRecency | AllOf | AnyOf | Not,
    Field(discriminator="kind"),
]
