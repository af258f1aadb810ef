"""The link graph as a batch sees it: customers and their anchors, the evidence, and what a batch changes of them.

What is known of customers is how many values they have, not which: a customer of thousands is as quick as one of three.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from identity_service.rules.identifiers import Identifier

SAME_EVENT = "same_event"

NOBODY: frozenset[str] = frozenset()


class Evidence(NamedTuple):
    """Why something was linked: the event that said so, by which rule, and for whom it may be used."""

    source_id: str
    event_id: UUID
    rule: str = SAME_EVENT
    legal_entity: str | None = None
    purposes: tuple[str, ...] = ()


class Customer:
    """A customer as far as a batch needs it."""

    __slots__ = ("counts", "customer_id", "former_anchors", "into", "is_new", "sides", "version")

    def __init__(self, customer_id: UUID, *, version: int = 0, is_new: bool = False) -> None:
        self.customer_id = customer_id
        self.version = version
        """As it was read; a change is made on this one or not at all."""
        self.is_new = is_new
        self.counts: dict[str, int] = {}
        """Namespace -> how many values count in its limit."""
        self.sides: frozenset[tuple[UUID, int]] = frozenset()
        """(decision, side) of the separations that some of its anchors are in."""
        self.former_anchors: dict[Identifier, Anchor] = {}
        """Its anchors of shared identifiers that are current elsewhere."""
        self.into: Customer | None = None

    def now(self) -> "Customer":
        """Return the customer that this one is by now."""
        one = self
        while one.into is not None:
            one = one.into
        return one

    @property
    def age(self) -> tuple[bool, UUID]:
        """Sorts the oldest first: ids are UUIDv7. A stored customer is older than a new one, whatever clocks say."""
        return self.is_new, self.customer_id


class Anchor:
    """An identifier when facts hang on it."""

    __slots__ = ("anchor_id", "customer", "identifier", "is_counted", "is_current", "is_new", "sources")

    def __init__(
        self,
        anchor_id: UUID,
        identifier: Identifier,
        customer: Customer,
        *,
        sources: frozenset[str] = NOBODY,
        is_current: bool = True,
        is_counted: bool = True,
        is_new: bool = False,
    ) -> None:
        self.anchor_id = anchor_id
        self.identifier = identifier
        self.customer = customer
        self.sources = sources
        """Those of the batch's sources that are known to have brought it, for whom they speak and for what."""
        self.is_current = is_current
        self.is_counted = is_counted
        self.is_new = is_new


class LinkedIdentifier(NamedTuple):
    """An anchor made by this batch."""

    anchor: Anchor
    customer_id: UUID
    """Its customer at that moment; it may move within the same batch."""
    rule: str
    evidence: Evidence


class Merge(NamedTuple):
    """A customer turned out to be another one."""

    decision_id: UUID
    former_customer_id: UUID
    customer_id: UUID
    evidence: Evidence


class Move(NamedTuple):
    """An anchor that went over to another customer."""

    anchor_id: UUID
    former_customer_id: UUID
    customer_id: UUID
    version: int
    decision_id: UUID


class Held(NamedTuple):
    """Why an identifier was kept apart from the anchor its event hangs on, and the first event that showed it."""

    reason: str
    evidence: Evidence


class Grant(NamedTuple):
    """For whom an identifier was brought, hence who may use it, and for what."""

    anchor_id: UUID
    legal_entity: str
    purposes: tuple[str, ...]
    """Sorted; empty: every purpose."""


@dataclass(frozen=True)
class Changes:
    """Everything a batch changed, in the order it happened."""

    customers: list[Customer] = field(default_factory=list)
    """Made by this batch."""
    touched: dict[UUID, Customer] = field(default_factory=dict)
    """Stored customers whose anchors change."""
    identifiers: list[LinkedIdentifier] = field(default_factory=list)
    merges: list[Merge] = field(default_factory=list)
    links: dict[tuple[UUID, UUID, str], Evidence] = field(default_factory=dict)
    """(anchor of the strongest identifier, anchor of another in the same event, source) -> the first such event."""
    sources: dict[tuple[UUID, str], None] = field(default_factory=dict)
    """(stored anchor, source that brought it for the first time)."""
    grants: dict[Grant, tuple[Anchor, Evidence]] = field(default_factory=dict)
    """What may be more than is known of anchors, and the first event that showed it."""
    passed_on: dict[UUID, Anchor] = field(default_factory=dict)
    """Stored anchors of shared identifiers that are current, or not, otherwise than before."""
    superseded: dict[UUID, None] = field(default_factory=dict)
    """Anchors of ids that an alias replaced."""
    held: dict[tuple[UUID, Identifier], Held] = field(default_factory=dict)
    """(anchor the event hangs on, identifier kept apart from it)."""


def customers_of(merges: Sequence[Merge]) -> Mapping[UUID, UUID]:
    """Follow chains within a batch: former customer -> the one it is at the batch's end."""
    current: dict[UUID, UUID] = {}
    for merge in reversed(merges):
        current[merge.former_customer_id] = current.get(merge.customer_id, merge.customer_id)
    return current


def in_layers(merges: Sequence[Merge]) -> list[list[Merge]]:
    """Return merges in layers: those of one layer may be carried out at once, after those of the layers before."""
    depths: dict[UUID, int] = {}
    layers: list[list[Merge]] = []
    for merge in merges:
        depth = depths.get(merge.former_customer_id, 0)
        if depth == len(layers):
            layers.append([])
        layers[depth].append(merge)
        depths[merge.customer_id] = max(depths.get(merge.customer_id, 0), depth + 1)
    return layers
