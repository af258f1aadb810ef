"""What the compiler reads: a condition whose references are expanded and whose many ways to say a thing are one.

Nodes are immutable and compare by content, so that equal parts of many conditions are computed once and statements can
be remembered by the trees they were made of. Only `expanding` makes them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

Kind = Literal["number", "text", "moment"]


class Node:
    """Anything in an expanded tree."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Truth(Node):
    """A boolean: as such it would equal a number."""

    value: bool


Plain = str | Decimal | Truth
"""What JSON values are compared with."""


# What is looked at


@dataclass(frozen=True, slots=True)
class Filter(Node):
    """A property compares so. `value` fits the comparison: a tuple for `in`, None for `exists`."""

    property: str
    comparison: str
    value: Plain | tuple[Plain, ...] | None


@dataclass(frozen=True, slots=True)
class Preceded(Node):
    """Has such an event before it, at most `hours` earlier."""

    name: str
    where: tuple[Filter, ...]
    hours: int


@dataclass(frozen=True, slots=True)
class Events(Node):
    """Events of a name."""

    name: str
    where: tuple[Filter, ...] = ()
    preceded: Preceded | None = None


@dataclass(frozen=True, slots=True)
class TraitChanges(Node):
    """Observations of a trait that differ from what the same source said before."""

    trait: str


@dataclass(frozen=True, slots=True)
class LastHours(Node):
    """Counted back from now."""

    hours: int


@dataclass(frozen=True, slots=True)
class Between(Node):
    """From the start (included) to the end (excluded); a date is the midnight it begins with."""

    start: datetime | date | None
    end: datetime | date | None


@dataclass(frozen=True, slots=True)
class Calendar(Node):
    """The current period or an earlier one; zone None: the customers'."""

    unit: str
    offset: int
    zone: str | None


@dataclass(frozen=True, slots=True)
class Since(Node):
    """After the first or last of other events."""

    events: Events
    which: str


Window = LastHours | Between | Calendar | Since


# Expressions


@dataclass(frozen=True, slots=True)
class Constant(Node):
    """A number, text, or moment (a date: the midnight it begins with)."""

    value: Decimal | str | datetime | date
    kind: Kind


@dataclass(frozen=True, slots=True)
class Trait(Node):
    """A folded trait read as a kind."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Aggregate(Node):
    """What the counted events come to; `function` as in contracts.conditions.EventValue."""

    function: str
    source: Events | TraitChanges
    window: Window | None = None
    property_name: str | None = None

    @property
    def kind(self) -> Kind:
        """A moment, a text, else a number."""
        return {"first": "moment", "last": "moment", "most_frequent": "text"}.get(self.function, "number")  # type: ignore[return-value]  # these are kinds


@dataclass(frozen=True, slots=True)
class Arithmetic(Node):
    """add, subtract, multiply, divide, least, greatest."""

    operator: str
    operands: tuple["Expression", ...]
    kind: Kind


@dataclass(frozen=True, slots=True)
class RoundDown(Node):
    """To a whole number."""

    of: "Expression"
    kind: Kind = "number"


@dataclass(frozen=True, slots=True)
class TimeSince(Node):
    """Whole days, hours or calendar days since a moment."""

    of: "Expression"
    unit: str
    kind: Kind = "number"


@dataclass(frozen=True, slots=True)
class Choice(Node):
    """The first case that holds."""

    cases: tuple[tuple["Predicate", "Expression"], ...]
    otherwise: "Expression | None"
    kind: Kind


@dataclass(frozen=True, slots=True)
class Unresolved(Node):
    """Stands for a reference nobody has looked up yet: for checks without a library. Never compiled."""

    kind: Kind | None = None


Expression = Constant | Trait | Aggregate | Arithmetic | RoundDown | TimeSince | Choice | Unresolved


# Predicates


@dataclass(frozen=True, slots=True)
class Compare(Node):
    """Two expressions of one kind; `in` with many constants, `exists` with none."""

    left: Expression
    comparison: str
    right: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class TraitTest(Node):
    """The folded trait, whatever its type, compares so."""

    trait: str
    comparison: str
    value: Plain | tuple[Plain, ...] | None


@dataclass(frozen=True, slots=True)
class TraitDay(Node):
    """The day a trait names."""

    trait: str


@dataclass(frozen=True, slots=True)
class RelationDay(Node):
    """The days of the customer's relations that fit."""

    relation: str
    occasion: str
    purpose: str


@dataclass(frozen=True, slots=True)
class EventDay(Node):
    """The day of the first or last event."""

    event: Aggregate


@dataclass(frozen=True, slots=True)
class DayTest(Node):
    """Today lies `first` to `last` days after the day or, if `is_yearly`, after a yearly return of it."""

    of: TraitDay | RelationDay | EventDay
    first: int
    last: int
    is_yearly: bool


@dataclass(frozen=True, slots=True)
class DayComparison(Node):
    """The day is before (lt), on (eq) or after (gt) a date."""

    of: TraitDay | RelationDay | EventDay
    comparison: str
    date: date


@dataclass(frozen=True, slots=True)
class HasIdentifier(Node):
    """An identifier of the namespace is known."""

    namespace: str


@dataclass(frozen=True, slots=True)
class OnList(Node):
    """The customer is on a static list."""

    segment_id: UUID


@dataclass(frozen=True, slots=True)
class SignLasts(Node):
    """A sign's condition was found to become true less than its lifetime (`hours`) ago."""

    sign_id: UUID
    hours: int


@dataclass(frozen=True, slots=True)
class Always(Node):
    """The same for everybody."""

    holds: bool


@dataclass(frozen=True, slots=True)
class Bounded(Node):
    """Asked again at `until` at the latest: the next cut."""

    child: "Predicate"
    until: datetime


@dataclass(frozen=True, slots=True)
class SignDetected(Node):
    """A sign is shown - its condition `child` holds, or it lasts - and was detected in the last `within` hours."""

    child: "Predicate"
    lasts: SignLasts
    within: int


@dataclass(frozen=True, slots=True)
class And(Node):
    """Every one holds."""

    children: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Or(Node):
    """At least one holds."""

    children: tuple["Predicate", ...]


@dataclass(frozen=True, slots=True)
class Negation(Node):
    """Does not hold."""

    child: "Predicate"


Predicate = (
    Compare
    | TraitTest
    | DayTest
    | DayComparison
    | HasIdentifier
    | OnList
    | SignLasts
    | Always
    | Bounded
    | SignDetected
    | And
    | Or
    | Negation
)


def walk(node: Node) -> Iterator[Node]:
    """The node and everything in it, each distinct part once."""
    seen: set[Node] = set()
    pending: list[object] = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, tuple):
            pending.extend(each)
        elif isinstance(each, Node) and each not in seen:
            seen.add(each)
            yield each
            pending.extend(getattr(each, field.name) for field in fields(each))  # type: ignore[arg-type]  # all are dataclasses


def walk_all(node: Node) -> Iterator[Node]:
    """The node and everything in it, as often as it is there; constants and filters do not count."""
    pending: list[object] = [node]
    while pending:
        each = pending.pop()
        if isinstance(each, tuple):
            pending.extend(each)
        elif isinstance(each, Node) and not isinstance(each, Filter | Truth | Constant):
            yield each
            pending.extend(getattr(each, field.name) for field in fields(each))  # type: ignore[arg-type]  # all are dataclasses
