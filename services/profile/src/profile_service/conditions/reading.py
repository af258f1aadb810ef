"""What is read from a tree without any database."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from contracts.conditions import Condition, Value
from profile_service.conditions import nodes as n

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {  # Any: numbers with numbers, text with text
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


@dataclass(frozen=True)
class Dependencies:
    """The facts whose arrival can change an answer."""

    events: frozenset[str] = frozenset()
    """Names of events."""
    traits: frozenset[str] = frozenset()
    """Names of traits."""
    namespaces: frozenset[str] = frozenset()
    """Namespaces of identifiers."""
    purposes: frozenset[str] = frozenset()
    """Purposes of relations."""
    lists: frozenset[UUID] = frozenset()
    """Static lists."""
    signs: frozenset[UUID] = frozenset()
    """Signs whose detections matter; what these depend on is among the facts above."""

    @property
    def asks_beside_events(self) -> bool:
        """Whether it asks for what may be known of a customer before the first event."""
        return bool(self.namespaces or self.purposes or self.lists)

    def touched_by(self, events: set[str], traits: set[str]) -> bool:
        """Whether any of these names matters here."""
        return not self.events.isdisjoint(events) or not self.traits.isdisjoint(traits)


def children_of(node: BaseModel) -> Iterator[tuple[str, Condition | Value]]:
    """The conditions and Values directly below a node of the contract, each with its place, e.g. `conditions.1`."""
    for name in type(node).model_fields:
        value = getattr(node, name)
        items = [(f"{name}.{position}", item) for position, item in enumerate(value)] if isinstance(value, list) else []
        for place, child in items or [(name, value)]:
            if hasattr(child, "kind"):
                yield place, child
            elif isinstance(child, BaseModel):  # a case: its condition and its value
                yield from ((f"{place}.{below}", grandchild) for below, grandchild in children_of(child))


def walk_tree(tree: Condition | Value) -> Iterator[Condition | Value]:
    """A condition or Value of the contract and everything below it."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(child for _, child in children_of(node))


def dependencies_of(expanded: n.Predicate | n.Expression) -> Dependencies:
    """Collect what an expanded tree asks for."""
    parts = list(n.walk(expanded))
    traits = {part.name for part in parts if isinstance(part, n.Trait)}
    return Dependencies(
        events=frozenset(part.name for part in parts if isinstance(part, n.Events | n.Preceded)),
        traits=frozenset(
            traits | {part.trait for part in parts if isinstance(part, n.TraitTest | n.TraitChanges | n.TraitDay)}
        ),
        namespaces=frozenset(part.namespace for part in parts if isinstance(part, n.HasIdentifier)),
        purposes=frozenset(part.purpose for part in parts if isinstance(part, n.RelationDay)),
        lists=frozenset(part.segment_id for part in parts if isinstance(part, n.OnList)),
        signs=frozenset(part.sign_id for part in parts if isinstance(part, n.SignLasts)),
    )


_MISSING = object()
_UNSURE = object()
"""A stranger's value that time decides."""


def holds_for_stranger(condition: n.Predicate) -> bool:
    """Whether a customer of whom nothing is known may fulfil it: then it matters for every NEW customer."""
    return _stranger(condition) is not False


def _stranger(node: n.Predicate) -> bool | None:
    """True, false, or None: time decides."""
    match node:
        case n.And() | n.Or():
            answers = [_stranger(child) for child in node.children]
            decisive = isinstance(node, n.Or)
            if decisive in answers:
                return decisive
            return None if None in answers else not decisive
        case n.Negation():
            answer = _stranger(node.child)
            return None if answer is None else not answer
        case n.Bounded() | n.SignDetected():
            return _stranger(node.child)
        case n.Always():
            return node.holds
        case n.Compare():
            return _compares_for_stranger(node)
    return False


def _compares_for_stranger(node: n.Compare) -> bool | None:
    sides = [_value_of_stranger(side) for side in (node.left, *node.right)]
    if sides[0] is _MISSING or (len(node.right) == 1 and sides[1] is _MISSING):
        return False
    if _UNSURE in sides:
        return None
    if node.comparison == "exists":
        return True
    if node.comparison == "in":
        return sides[0] in sides[1:]
    return COMPARISONS[node.comparison](sides[0], sides[1])


def _value_of_stranger(node: n.Expression) -> object:
    match node:
        case n.Constant():
            return _UNSURE if node.kind == "moment" else node.value
        case n.Aggregate():
            return Decimal(0) if node.function in {"count", "distinct_days", "sum"} else _MISSING
        case n.Trait():
            return _MISSING
        case n.TimeSince() | n.RoundDown():
            return _MISSING if _value_of_stranger(node.of) is _MISSING else _UNSURE
    return _UNSURE
