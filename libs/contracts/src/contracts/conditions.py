"""The condition language, first version: ONE typed tree for segments, signs, ranks, triggers and branches.

How it reads, and what an implementation is tested against:

- Times are UTC instants, windows are whole days of 24 hours counted back from the moment of evaluation.
- An event counts from its `occurred_at` on: one dated in the future does not count yet.
- Numbers compare as numbers, text as text by code point, booleans only with `eq` and `ne`. A trait or property that is
  missing, `null` or of another type compares false, also with `ne`; say `{"kind": "not", ...}` to invert.
- Money is decimal in the base currency: the `revenue` of an event in another `currency` counts as missing.
"""

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, StrictBool, StrictInt, StringConstraints

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


def _json_number(value: Decimal) -> int | float:
    """Exact: 15 significant digits survive a double. As a string, the number would be read back as text."""
    return int(value) if value == value.to_integral_value() else float(value)


Number = Annotated[Decimal, Field(max_digits=15), PlainSerializer(_json_number, return_type=float, when_used="json")]
Text = Annotated[str, StringConstraints(strict=True, max_length=1000, pattern=r"^[^\x00]*$")]
Integer = Annotated[StrictInt, Field(ge=-(10**15), le=10**15)]
Scalar = Text | StrictBool | Integer | Number


class _Node(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PropertyFilter(_Node):
    """An event counts only when its property compares so."""

    property: Name
    comparison: Comparison
    value: Scalar


class TraitCondition(_Node):
    """The folded trait compares with a value; `exists` takes none."""

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
    value: Annotated[int, Field(ge=0, le=10**9)]
    window: Window | None = None
    where: Annotated[list[PropertyFilter], Field(max_length=10)] = []


class EventSum(_Node):
    """The sum of a numeric property over such events (0 for none; not a number counts 0)."""

    kind: Literal["event_sum"]
    event: Name
    property: Name
    comparison: Comparison
    value: Number
    window: Window | None = None
    where: Annotated[list[PropertyFilter], Field(max_length=10)] = []


class EventRecency(_Node):
    """The `first` or `last` such event happened `within` the last `days` days, or `before` them. No event: false."""

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
"""Checked further where it is stored: at most 200 nodes, 12 levels; `exists` without and all else with a value."""
