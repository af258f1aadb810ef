"""What a condition depends on, read from its tree without any database."""

import operator
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from contracts.conditions import AllOf, AnyOf, Condition, EventCount, EventRecency, EventSum, Not, TraitCondition

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {  # numbers with numbers, text with text
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


@dataclass(frozen=True)
class Dependencies:
    """Names of the events and traits whose arrival can change a condition's answer."""

    events: frozenset[str]
    traits: frozenset[str]

    def touched_by(self, events: set[str], traits: set[str]) -> bool:
        """Whether any of these names matters here."""
        return not self.events.isdisjoint(events) or not self.traits.isdisjoint(traits)


def children_of(condition: Condition) -> list[tuple[str, Condition]]:
    """The conditions directly below this one, each with its place, e.g. `conditions.1`."""
    if isinstance(condition, AllOf | AnyOf):
        return [(f"conditions.{position}", child) for position, child in enumerate(condition.conditions)]
    if isinstance(condition, Not):
        return [("condition", condition.condition)]
    return []


def walk(condition: Condition) -> Iterator[Condition]:
    """The condition and everything below it, top down."""
    pending = [condition]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(child for _, child in children_of(node))


def dependencies_of(condition: Condition) -> Dependencies:
    """Collect the event and trait names a condition asks for."""
    leaves = list(walk(condition))
    return Dependencies(
        events=frozenset(leaf.event for leaf in leaves if isinstance(leaf, EventCount | EventSum | EventRecency)),
        traits=frozenset(leaf.trait for leaf in leaves if isinstance(leaf, TraitCondition)),
    )


def holds_for_stranger(condition: Condition) -> bool:
    """Whether a customer without any such event or trait fulfils it: then it matters for every NEW customer."""
    match condition:
        case EventCount(comparison=comparison, value=count):
            return COMPARISONS[comparison](0, count)
        case EventSum(comparison=comparison, value=amount):
            return COMPARISONS[comparison](Decimal(0), amount)
        case AllOf(conditions=conditions):
            return all(holds_for_stranger(child) for child in conditions)
        case AnyOf(conditions=conditions):
            return any(holds_for_stranger(child) for child in conditions)
        case Not(condition=child):
            return not holds_for_stranger(child)
        case _:
            return False
