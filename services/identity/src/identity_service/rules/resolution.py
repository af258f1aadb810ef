"""Resolution: which customer an event belongs to, by Segment Unify's rules, on anchors.

An identifier is an anchor once seen; a customer is a set of anchors. An event matches every customer that has any of
its identifiers. If joining those customers and adding the new identifiers would take a namespace over its limit, the
weakest identifier is dropped from the event and the rest is tried again. What remains belongs together: the oldest
customer stays, the anchors of the others move to it. The event hangs on the strongest identifier it kept.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from identity_service.rules.identifiers import Identifier, Namespaces

FIRST_SEEN = "first_seen"
SAME_EVENT = "same_event"


class Anchor:
    """An identifier when facts hang on it. `version` grows by one with every move."""

    __slots__ = ("anchor_id", "customer_id", "identifier", "version")

    def __init__(self, anchor_id: UUID, identifier: Identifier, customer_id: UUID, version: int = 1) -> None:
        self.anchor_id = anchor_id
        self.identifier = identifier
        self.customer_id = customer_id
        self.version = version


class Evidence(NamedTuple):
    """Why something was linked: the event that said so."""

    source_id: str
    event_id: UUID


class LinkedIdentifier(NamedTuple):
    """An identifier seen for the first time."""

    anchor: Anchor
    customer_id: UUID
    """Its customer at that moment; the anchor itself may move within the same batch."""
    rule: str
    evidence: Evidence


class Move(NamedTuple):
    """An anchor went over to another customer."""

    anchor_id: UUID
    former_customer_id: UUID
    customer_id: UUID
    version: int
    evidence: Evidence


class Merge(NamedTuple):
    """A customer turned out to be another one."""

    former_customer_id: UUID
    customer_id: UUID
    evidence: Evidence


class Resolution(NamedTuple):
    """Where one event belongs: on this anchor, hence to the anchor's customer."""

    anchor: Anchor
    kept: Sequence[Identifier]


@dataclass(frozen=True)
class Changes:
    """Everything a batch changed, in the order it happened."""

    customers: list[UUID]
    identifiers: list[LinkedIdentifier]
    moves: list[Move]
    merges: list[Merge]
    links: dict[tuple[UUID, UUID], Evidence]
    """(anchor of the strongest identifier, anchor of another in the same event) -> the first event that showed both."""


class Graph:
    """The part of the link graph a batch touches: every anchor of every customer its events can match."""

    def __init__(self, anchors: Iterable[Anchor], *, namespaces: Namespaces, new_id: Callable[[], UUID]) -> None:
        self._namespaces = namespaces
        self._new_id = new_id
        self._anchors: dict[Identifier, Anchor] = {}
        self._members: defaultdict[UUID, list[Anchor]] = defaultdict(list)
        self.changes = Changes([], [], [], [], {})
        for anchor in anchors:
            self._anchors[anchor.identifier] = anchor
            self._members[anchor.customer_id].append(anchor)

    def resolve(self, identifiers: Sequence[Identifier], evidence: Evidence) -> Resolution:
        """Place one event. `identifiers` are usable ones, the strongest first, at least one."""
        known = [self._anchors.get(name) for name in identifiers]
        first = known[0]
        if first is not None and all(one is not None and one.customer_id == first.customer_id for one in known):
            self._link([one for one in known if one is not None], evidence)
            return Resolution(first, identifiers)  # most events by far: nothing new
        kept = list(identifiers)
        while True:
            matched = self._matched(kept)
            if len(kept) == 1 or not self._breaks_limit(kept, matched):
                break
            kept.pop()
        customer_id = self._join(matched, evidence)
        anchors = [self._anchors.get(name) or self._add(name, customer_id, evidence) for name in kept]
        self._link(anchors, evidence)
        return Resolution(anchors[0], kept)

    def _matched(self, identifiers: Sequence[Identifier]) -> list[UUID]:
        """The customers that have any of these, the oldest first (customer ids are UUIDv7: they sort by age)."""
        known = {anchor.customer_id for name in identifiers if (anchor := self._anchors.get(name)) is not None}
        return sorted(known)

    def _breaks_limit(self, identifiers: Sequence[Identifier], matched: Sequence[UUID]) -> bool:
        """True if a namespace grows beyond its limit. What already exceeds it and does not grow is left in peace."""
        new = [name for name in identifiers if name not in self._anchors]
        if not new and len(matched) < 2:
            return False
        before = [_count(anchor.identifier for anchor in self._members[customer]) for customer in matched]
        after = _count(new)
        for one in before:
            for namespace, count in one.items():
                after[namespace] = after.get(namespace, 0) + count
        return any(
            count > self._namespaces[namespace].most_values and all(count > one.get(namespace, 0) for one in before)
            for namespace, count in after.items()
        )

    def _join(self, matched: Sequence[UUID], evidence: Evidence) -> UUID:
        if not matched:
            customer_id = self._new_id()
            self.changes.customers.append(customer_id)
            return customer_id
        oldest, *others = matched
        for other in others:
            self._merge(other, oldest, evidence)
        return oldest

    def _merge(self, former: UUID, into: UUID, evidence: Evidence) -> None:
        moved = self._members.pop(former)
        for anchor in moved:
            anchor.customer_id = into
            anchor.version += 1
            self.changes.moves.append(Move(anchor.anchor_id, former, into, anchor.version, evidence))
        self._members[into].extend(moved)
        self.changes.merges.append(Merge(former, into, evidence))

    def _add(self, name: Identifier, customer_id: UUID, evidence: Evidence) -> Anchor:
        members = self._members[customer_id]
        anchor = Anchor(self._new_id(), name, customer_id)
        rule = SAME_EVENT if members else FIRST_SEEN
        members.append(anchor)
        self._anchors[name] = anchor
        self.changes.identifiers.append(LinkedIdentifier(anchor, customer_id, rule, evidence))
        return anchor

    def _link(self, anchors: Sequence[Anchor], evidence: Evidence) -> None:
        strongest, *others = anchors
        for other in others:
            self.changes.links.setdefault((strongest.anchor_id, other.anchor_id), evidence)


def _count(identifiers: Iterable[Identifier]) -> dict[str, int]:
    """How many values there are of each namespace."""
    counts: dict[str, int] = {}
    for namespace, _ in identifiers:
        counts[namespace] = counts.get(namespace, 0) + 1
    return counts
