"""What a condition may refer to: the published definitions as plain data, and which of them a tree names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from contracts.conditions import (
    ComputedValue,
    Condition,
    DistanceValue,
    LifecycleCondition,
    PercentileCondition,
    PointsValue,
    RankCondition,
    SegmentCondition,
    SignCondition,
    Value,
)
from contracts.profile import SignStrength
from profile_service.conditions.reading import walk_tree

Reference = tuple[Literal["segment", "computed", "ranks", "lifecycle", "cuts", "sign"], str]
"""A kind of definition and its key; the lifecycle's is empty."""

Tree = Condition | Value
LIFECYCLE: Reference = ("lifecycle", "")


@dataclass(frozen=True)
class RankEntry:
    """A rank: fulfilled by its condition, or where its table has a measure, from its threshold on."""

    key: str
    condition: Condition | None = None
    threshold: Decimal | None = None


@dataclass(frozen=True)
class RankTable:
    """Ranks, lowest first; the highest fulfilled one wins."""

    ranks: tuple[RankEntry, ...]
    measure: Value | None = None


@dataclass(frozen=True)
class PublishedSign:
    """A sign: what is true of whom it is seen in, and for how long it is shown since that became true."""

    sign_id: UUID
    version: int
    condition: Condition
    strength: SignStrength
    lifetime_days: int


@dataclass(frozen=True)
class CutPoints:
    """Where a measure lies in the population, as last taken."""

    value: Value
    """What was measured, greater being better: a number or, for recency, the moment of the last purchase."""
    at: Mapping[int, Decimal | datetime]
    """Percent (1 to 99) -> the value below which so many percent of the customers lie."""
    until: datetime
    """When they are taken anew."""
    at_most: Mapping[int, Decimal | datetime] | None = None
    """Percent -> the greatest value among the lowest so many percent; None: `at` serves for both ends."""


@dataclass(frozen=True)
class Library:
    """All that is published and can be referred to, by key."""

    segments: Mapping[str, Condition] = field(default_factory=dict)
    signs: Mapping[str, PublishedSign] = field(default_factory=dict)
    computed: Mapping[str, Value] = field(default_factory=dict)
    ranks: Mapping[str, RankTable] = field(default_factory=dict)
    lifecycle: tuple[tuple[str, Condition], ...] = ()
    """State and condition; the first that holds is the customer's."""
    cuts: Mapping[str, CutPoints] = field(default_factory=dict)
    """By `recency`, `frequency`, `monetary` or `computed:KEY`."""


def cuts_key(condition: PercentileCondition) -> str:
    """Under which key of Library.cuts a percentile's cut points stand."""
    return condition.of if isinstance(condition.of, str) else f"computed:{condition.of.key}"


def references_of(tree: Condition | Value) -> frozenset[Reference]:
    """The definitions a tree names itself: whoever publishes one of them anew has this one evaluated for everybody."""
    found: set[Reference] = set()
    for node in walk_tree(tree):
        match node:
            case SegmentCondition():
                found.add(("segment", node.segment))
            case SignCondition():
                found.add(("sign", node.sign))
            case ComputedValue():
                found.add(("computed", node.key))
            case RankCondition() | PointsValue() | DistanceValue():
                found.add(("ranks", node.table))
            case LifecycleCondition():
                found.add(LIFECYCLE)
            case PercentileCondition():
                found.add(("cuts", cuts_key(node)))
                if isinstance(node.of, ComputedValue):
                    found.add(("computed", node.of.key))
    return frozenset(found)


def dependents_of(changed: Reference, definitions: Mapping[Reference, Tree | tuple[Tree, ...]]) -> frozenset[Reference]:
    """Of these definitions those that refer to the changed one, directly or through others. Without it itself."""
    named = {
        own: frozenset().union(*(references_of(tree) for tree in (trees if isinstance(trees, tuple) else (trees,))))
        for own, trees in definitions.items()
    }
    reached, pending = {changed}, [changed]
    while pending:
        reference = pending.pop()
        further = {own for own, names in named.items() if reference in names} - reached
        reached |= further
        pending += further
    return frozenset(reached - {changed})
