"""Resolution: which customer an event belongs to, by Segment Unify's rules, on anchors.

An identifier is an anchor once seen; a customer is a set of anchors. An event matches every customer that has any of
its identifiers. If joining those customers and adding the new identifiers would take a namespace over its limit, or
join what a person separated, the weakest identifier is dropped from the event and the rest is tried again. What remains
belongs together: the oldest customer stays, the anchors of the others move to it. The event hangs on the strongest
identifier it kept.

A shared identifier (a family's browser) that cannot be joined is handed over instead: whoever was last seen on it with
an identifier of their own gets an anchor of it that is current, and its former holder keeps the former one.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from identity_service.rules.changes import (
    SAME_EVENT,
    Anchor,
    Changes,
    Customer,
    Evidence,
    Grant,
    Held,
    LinkedIdentifier,
    Merge,
)
from identity_service.rules.identifiers import Identifier, Namespaces

FIRST_SEEN = "first_seen"
ALIAS = "alias"
SHARED = "shared"
UNCOUNTED_RULES = (ALIAS, SHARED)
"""Identifiers linked by these count in no limit: a superseded id, a device that is somebody else's, too."""

LIMIT, UNIQUE, SEPARATED, UNVERIFIED, NOT_PERMITTED = "limit", "unique", "separated", "unverified", "not_permitted"


class Resolution(NamedTuple):
    """Where one event belongs: on this anchor, hence to the anchor's customer."""

    anchor: Anchor
    kept: Sequence[Identifier]


class Graph:
    """The part of the link graph a batch touches: the current anchors its events name, and their customers."""

    def __init__(self, anchors: Iterable[Anchor], *, namespaces: Namespaces, new_id: Callable[[], UUID]) -> None:
        self._namespaces = namespaces
        self._new_id = new_id
        self._anchors: dict[Identifier, Anchor] = {anchor.identifier: anchor for anchor in anchors}
        self.borrowed: set[tuple[Identifier, str]] = set()
        """(identifier, source) where the source may use what others brought: it is not noted as bringing it."""
        self.changes = Changes()

    def anchor_of(self, name: Identifier) -> Anchor | None:
        """Return the current anchor of an identifier, if it was ever seen."""
        return self._anchors.get(name)

    def is_settled(self, identifiers: Sequence[Identifier], source_id: str) -> bool:
        """Tell whether an event with these identifiers changes nothing but evidence: most events by far."""
        get = self._anchors.get
        first = get(identifiers[0])
        if first is None or source_id not in first.sources:
            return False
        if len(identifiers) > 1:
            customer = first.customer.now()
            for name in identifiers:
                anchor = get(name)
                if anchor is None or anchor.customer.now() is not customer or source_id not in anchor.sources:
                    return False
        return True

    def resolve(
        self, identifiers: Sequence[Identifier], evidence: Evidence, *, superseded: Identifier | None = None
    ) -> Resolution:
        """Place one event. `identifiers` are usable ones, the strongest first, at least one.

        `superseded` is one of them: the id that an alias says is replaced by the others, though it is unique.
        """
        if superseded is None and self.is_settled(identifiers, evidence.source_id):
            anchors = [self._anchors[name] for name in identifiers]
            if len(anchors) > 1:
                self._link(anchors, evidence)
            return Resolution(anchors[0], identifiers)
        replaced = None if superseded is None else self._anchors.get(superseded)
        discount = replaced is not None and self._count(replaced, by=-1)
        kept, dropped = self._fitting(list(identifiers))
        if discount and replaced is not None:
            self._supersede(replaced, is_kept=superseded in kept)
        customer = self._join(self._matched(kept), evidence)
        anchors = [self._anchor_for(name, customer, evidence) for name in kept]
        self._link(anchors, evidence)
        is_own = any(not self._namespaces[name.namespace].is_shared for name in kept)
        for name, reason in dropped:
            if is_own and self._hand_over(name, customer, evidence):
                self._link((anchors[0], self._anchors[name]), evidence)
                reason = SHARED
            self.hold(anchors[0], name, reason, evidence)
        return Resolution(anchors[0], kept)

    def grant(self, names: Iterable[Identifier], evidence: Evidence) -> None:
        """Record for whom these identifiers, which are anchors, were brought: perhaps for more than was known."""
        if evidence.legal_entity is None:
            return
        purposes = tuple(sorted(set(evidence.purposes)))
        for name in names:
            if (name, evidence.source_id) not in self.borrowed:
                anchor = self._anchors[name]
                grant = Grant(anchor.anchor_id, evidence.legal_entity, purposes)
                self.changes.grants.setdefault(grant, (anchor, evidence))

    def hold(self, anchor: Anchor, name: Identifier, reason: str, evidence: Evidence) -> None:
        """Record that an identifier was kept apart from an anchor."""
        self.changes.held.setdefault((anchor.anchor_id, name), Held(reason, evidence))

    def _matched(self, identifiers: Iterable[Identifier]) -> list[Customer]:
        """The customers that have any of these, the oldest first."""
        known = {anchor.customer.now() for name in identifiers if (anchor := self._anchors.get(name)) is not None}
        return sorted(known, key=lambda customer: customer.age) if len(known) > 1 else list(known)

    def _fitting(self, kept: list[Identifier]) -> tuple[list[Identifier], list[tuple[Identifier, str]]]:
        """Drop identifiers until the rest may be one customer; return (kept, dropped with reasons)."""
        dropped: list[tuple[Identifier, str]] = []
        while len(kept) > 1:
            reason = self._conflict(self._matched(kept), [name for name in kept if name not in self._anchors])
            if reason is None:
                break
            dropped.append((kept.pop(self._gives_way(kept)), reason))
        return kept, dropped

    def _gives_way(self, kept: Sequence[Identifier]) -> int:
        """Which identifier is dropped next: a shared one of somebody else than the others', else the weakest."""
        own = {
            anchor.customer.now()
            for name in kept
            if not self._namespaces[name.namespace].is_shared and (anchor := self._anchors.get(name)) is not None
        }
        for position in range(len(kept) - 1, -1, -1):
            anchor = self._anchors.get(kept[position])
            is_shared = self._namespaces[kept[position].namespace].is_shared
            if own and is_shared and anchor is not None and anchor.customer.now() not in own:
                return position
        return len(kept) - 1

    def _conflict(self, matched: Sequence[Customer], new: Sequence[Identifier]) -> str | None:
        """Say why these may not be one customer; what already exceeds a limit and does not grow is left in peace."""
        if not new and len(matched) < 2:
            return None
        if len(matched) > 1 and _are_separated(matched):
            return SEPARATED
        after: dict[str, int] = {}
        for namespace, _ in new:
            after[namespace] = after.get(namespace, 0) + 1
        for customer in matched:
            for namespace, count in customer.counts.items():
                after[namespace] = after.get(namespace, 0) + count
        broken = None
        for namespace, count in after.items():
            if count > 1:
                rules = self._namespaces[namespace]
                if count > rules.most_values and all(count > one.counts.get(namespace, 0) for one in matched):
                    if rules.is_unique:
                        return UNIQUE
                    broken = LIMIT
        return broken

    def _join(self, matched: Sequence[Customer], evidence: Evidence) -> Customer:
        if not matched:
            customer = Customer(self._new_id(), is_new=True)
            self.changes.customers.append(customer)
            return customer
        oldest, *others = matched
        for other in others:
            self._merge(other, oldest, evidence)
        return oldest

    def _merge(self, former: Customer, into: Customer, evidence: Evidence) -> None:
        self._touch(former)
        self._touch(into)
        former.into = into
        for namespace, count in former.counts.items():
            into.counts[namespace] = into.counts.get(namespace, 0) + count
        into.sides |= former.sides
        for name, anchor in former.former_anchors.items():
            into.former_anchors.setdefault(name, anchor)
        self.changes.merges.append(Merge(self._new_id(), former.customer_id, into.customer_id, evidence))

    def _touch(self, customer: Customer) -> None:
        if not customer.is_new:
            self.changes.touched[customer.customer_id] = customer

    def _anchor_for(self, name: Identifier, customer: Customer, evidence: Evidence) -> Anchor:
        """Return the identifier's anchor with this customer, made if it was never seen."""
        anchor = self._anchors.get(name)
        if anchor is None:
            rule = SAME_EVENT if evidence.rule == ALIAS else evidence.rule
            return self._add(name, customer, FIRST_SEEN if customer.is_new and not customer.counts else rule, evidence)
        source_id = evidence.source_id
        if source_id not in anchor.sources and (name, source_id) not in self.borrowed:
            anchor.sources |= {source_id}
            if not anchor.is_new:
                self.changes.sources[anchor.anchor_id, source_id] = None
            self.grant((name,), evidence)
        return anchor

    def _add(self, name: Identifier, customer: Customer, rule: str, evidence: Evidence) -> Anchor:
        is_counted = rule not in UNCOUNTED_RULES
        anchor = Anchor(
            self._new_id(),
            name,
            customer,
            sources=frozenset((evidence.source_id,)),
            is_counted=is_counted,
            is_new=True,
        )
        self._anchors[name] = anchor
        self._touch(customer)
        if is_counted:
            customer.counts[name.namespace] = customer.counts.get(name.namespace, 0) + 1
        self.changes.identifiers.append(LinkedIdentifier(anchor, customer.customer_id, rule, evidence))
        return anchor

    def _link(self, anchors: Sequence[Anchor], evidence: Evidence) -> None:
        strongest = anchors[0].anchor_id
        for other in anchors[1:]:
            self.changes.links.setdefault((strongest, other.anchor_id, evidence.source_id), evidence)

    def _hand_over(self, name: Identifier, customer: Customer, evidence: Evidence) -> bool:
        """Make this customer's anchor of a shared identifier the current one; True when that was to be done.

        Not for a customer that only has too many values of just this namespace: that is what the limit is for.
        """
        former = self._anchors.get(name)
        if former is None or not self._namespaces[name.namespace].is_shared:
            return False
        holder = former.customer.now()
        if holder is customer or not self._is_somebody_else(holder, customer, apart_from=name.namespace):
            return False
        self._set_current(former, is_current=False)
        holder.former_anchors[name] = former
        known = customer.former_anchors.pop(name, None)
        if known is None:
            self._add(name, customer, SHARED, evidence)
        else:
            self._set_current(known, is_current=True)
            self._anchors[name] = known
            self._anchor_for(name, customer, evidence)
        return True

    def _is_somebody_else(self, one: Customer, other: Customer, *, apart_from: str) -> bool:
        if _are_separated((one, other)):
            return True
        return any(
            namespace != apart_from and count + other.counts.get(namespace, 0) > self._namespaces[namespace].most_values
            for namespace, count in one.counts.items()
            if namespace in other.counts
        )

    def _set_current(self, anchor: Anchor, *, is_current: bool) -> None:
        anchor.is_current = is_current
        holder = anchor.customer.now()
        self._touch(holder)
        self._count(anchor, by=1 if is_current else -1)
        if not anchor.is_new:
            self.changes.passed_on[anchor.anchor_id] = anchor

    def _count(self, anchor: Anchor, *, by: int) -> bool:
        """Let its customer have one value more or less; False for an anchor that counts in no limit."""
        if anchor.is_counted:
            counts, namespace = anchor.customer.now().counts, anchor.identifier.namespace
            counts[namespace] = counts.get(namespace, 0) + by
        return anchor.is_counted

    def _supersede(self, anchor: Anchor, *, is_kept: bool) -> None:
        """An id that an alias replaced counts in no limit from now on; one that the event did not keep still does."""
        if not is_kept:
            self._count(anchor, by=1)
            return
        anchor.is_counted = False
        self._touch(anchor.customer.now())
        self.changes.superseded[anchor.anchor_id] = None


def _are_separated(customers: Sequence[Customer]) -> bool:
    """Tell whether anchors of both sides of a separation are among these customers' (but not in one of them)."""
    sides: set[tuple[UUID, int]] = set()
    for customer in customers:
        if any((decision_id, 1 - side) in sides for decision_id, side in customer.sides):
            return True
        sides |= customer.sides
    return False
