"""A dry run of rules: what the stored evidence would have made of customers under other rules.

The evidence of a part of the base is turned back into the events it came from (identifiers, links and held-apart rows
of one event belong together) and replayed by the resolver's own rules twice, under the present and under the proposed
ones. Only what differs between the two is reported, so that what cannot be replayed exactly (a repetition leaves no
evidence, and within one batch the order is known by the identifiers it made alone) does not look like the change's
doing.

Persons' decisions hold in both: what they joined is joined whatever the limits, what they separated stays separate.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import count
from typing import NamedTuple
from uuid import UUID

from identity_service.rules.changes import Anchor, Customer, Evidence
from identity_service.rules.identifiers import Identifier, Namespace, Namespaces, identifier
from identity_service.rules.resolution import ALIAS, SEPARATED, Graph

DECIDED = frozenset({"decision", "probabilistic"})
"""Rules of links that are no event's: somebody, or the probabilistic model, joined two customers."""

ANCHORS_SHOWN = 100


class StoredAnchor(NamedTuple):
    """A row of `identifiers`."""

    anchor_id: UUID
    namespace: str
    value: str
    customer_id: UUID
    source_id: str
    event_id: UUID
    rule: str
    linked_at: datetime


class StoredLink(NamedTuple):
    """A row of `links`."""

    anchor_id: UUID
    other_anchor_id: UUID
    source_id: str
    event_id: UUID
    rule: str
    linked_at: datetime


class StoredHeld(NamedTuple):
    """A row of `held_apart`."""

    anchor_id: UUID
    namespace: str
    value: str
    source_id: str
    event_id: UUID
    held_at: datetime


class StoredSeparation(NamedTuple):
    """An active row of `separations`."""

    decision_id: UUID
    anchor_id: UUID
    side: int


@dataclass(frozen=True)
class Part:
    """Customers that share evidence with nobody outside: each part of the base is replayed alone."""

    anchors: list[StoredAnchor] = field(default_factory=list)
    links: list[StoredLink] = field(default_factory=list)
    held: list[StoredHeld] = field(default_factory=list)
    separations: list[StoredSeparation] = field(default_factory=list)


class WouldMerge(NamedTuple):
    """Customers that the proposed rules would join."""

    customer_ids: list[UUID]
    through: list[tuple[UUID, str]]
    """(anchor, namespace) of the identifiers in the events that join them."""
    rule: str


class WouldSplit(NamedTuple):
    """A customer that the proposed rules would not have joined."""

    customer_id: UUID
    parts: list[list[UUID]]
    """Its anchors as they would be apart; an identifier that would not be taken stands alone."""


class Difference(NamedTuple):
    """What the proposed rules make of a part, compared with the present ones."""

    customers_before: int
    customers_after: int
    merges: list[WouldMerge]
    splits: list[WouldSplit]


Trusted = Mapping[str, frozenset[str]]
"""Source -> the namespaces it verifies."""

_EventKey = tuple[str, UUID]


@dataclass
class _Event:
    at: datetime
    order: UUID
    names: dict[tuple[str, str], None] = field(default_factory=dict)
    rule: str | None = None

    def add(self, namespace: str, value: str, *, at: datetime, order: UUID) -> None:
        self.names[namespace, value] = None
        self.at = min(self.at, at)
        self.order = max(self.order, order)


def compare(part: Part, *, present: Namespaces, proposed: Namespaces, trusted: Trusted) -> Difference:
    """Replay a part under both rules and return what differs."""
    events = _events_of(part)
    before, after = (_Replay(part, namespaces=rules, trusted=trusted) for rules in (present, proposed))
    for replay in (before, after):
        replay.run(events)
    return Difference(
        before.customers(), after.customers(), list(_merges(part, before, after)), list(_splits(part, before, after))
    )


def changed_namespaces(names: Iterable[str], present: Namespaces, proposed: Namespaces) -> list[str]:
    """Return those of the names whose rules differ."""

    def rules(namespace: Namespace) -> tuple[object, ...]:
        return (
            namespace.most_values, namespace.limit_window, namespace.priority, namespace.is_unique,
            namespace.verified_only, namespace.is_shared, namespace.normaliser, sorted(namespace.blocked_values),
        )  # fmt: skip

    return sorted(name for name in set(names) if rules(present[name]) != rules(proposed[name]))


def _events_of(part: Part) -> dict[_EventKey, _Event]:
    by_id = {anchor.anchor_id: anchor for anchor in part.anchors}
    events: dict[_EventKey, _Event] = {}

    def event(source_id: str, event_id: UUID, at: datetime, order: UUID) -> _Event:
        return events.setdefault((source_id, event_id), _Event(at, order))

    def add(into: _Event, anchor_id: UUID, at: datetime) -> None:
        anchor = by_id.get(anchor_id)
        if anchor is not None:
            into.add(anchor.namespace, anchor.value, at=at, order=anchor_id)

    for anchor in part.anchors:
        add(
            event(anchor.source_id, anchor.event_id, anchor.linked_at, anchor.anchor_id),
            anchor.anchor_id,
            anchor.linked_at,
        )
    for link in part.links:
        if link.rule in DECIDED:
            continue
        of_link = event(link.source_id, link.event_id, link.linked_at, link.anchor_id)
        of_link.rule = link.rule
        add(of_link, link.anchor_id, link.linked_at)
        add(of_link, link.other_anchor_id, link.linked_at)
    for held in part.held:
        of_held = event(held.source_id, held.event_id, held.held_at, held.anchor_id)
        add(of_held, held.anchor_id, held.held_at)
        of_held.add(held.namespace, held.value, at=held.held_at, order=held.anchor_id)
    return events


class _Replay(Graph):
    """The resolver's graph, fed with a part's evidence in its order."""

    def __init__(self, part: Part, *, namespaces: Namespaces, trusted: Trusted) -> None:
        numbers = count(1)
        super().__init__([], namespaces=namespaces, new_id=lambda: UUID(int=next(numbers)))
        self._rules = namespaces
        self._trusted = trusted
        self._part = part
        self._normal: dict[tuple[str, str], Identifier | None] = {}
        self._where: dict[_EventKey, Anchor] = {}
        self._linked: defaultdict[UUID, list[tuple[str, datetime]]] = defaultdict(list)
        self._at: datetime | None = None
        self._sides: defaultdict[Identifier, set[tuple[UUID, int]]] = defaultdict(set)
        self._superseded = {
            name for one in part.anchors if one.rule == ALIAS and (name := self.name_of(one)) is not None
        }
        by_id = {anchor.anchor_id: anchor for anchor in part.anchors}
        for separation in part.separations:
            name = self.name_of(by_id[separation.anchor_id])
            if name is not None:
                self._sides[name].add((separation.decision_id, separation.side))

    def name_of(self, stored: StoredAnchor | StoredHeld) -> Identifier | None:
        """The identifier as these rules write it; None when they would not take it."""
        return self._name(stored.namespace, stored.value)

    def _name(self, namespace: str, value: str) -> Identifier | None:
        if (namespace, value) not in self._normal:
            normaliser = self._rules[namespace].normaliser
            self._normal[namespace, value] = identifier(namespace, value, normaliser=normaliser)
        return self._normal[namespace, value]

    def run(self, events: Mapping[_EventKey, _Event]) -> None:
        """Replay everything in its order: an event, or a link that was decided."""
        by_id = {anchor.anchor_id: anchor for anchor in self._part.anchors}
        steps: list[tuple[datetime, UUID, Callable[[], None]]] = [
            (event.at, event.order, partial(self._observe, key, event)) for key, event in events.items()
        ]
        for link in self._part.links:
            one, other = by_id.get(link.anchor_id), by_id.get(link.other_anchor_id)
            if link.rule in DECIDED and one is not None and other is not None:
                order = max(link.anchor_id, link.other_anchor_id)
                steps.append((link.linked_at, order, partial(self._decide, link, one, other)))
        for _, _, step in sorted(steps, key=lambda step: step[:2]):
            step()

    def _observe(self, key: _EventKey, event: _Event) -> None:
        trusted = self._trusted.get(key[0], frozenset())
        names = self._rules.usable(
            [
                name
                for namespace, value in event.names
                if (not self._rules[namespace].verified_only or namespace in trusted)
                and (name := self._name(namespace, value)) is not None
            ]
        )
        if not names:
            return
        self._at = event.at
        evidence = Evidence(*key) if event.rule is None else Evidence(*key, event.rule)
        self._take_sides(names, evidence)
        self._forget_what_is_out_of_the_window(names)
        superseded = next((name for name in names if name in self._superseded), None) if event.rule == ALIAS else None
        self._where[key] = self.resolve(names, evidence, superseded=superseded).anchor

    def _take_sides(self, names: Sequence[Identifier], evidence: Evidence) -> None:
        """A separated identifier is somebody of its own before an event can join it to others."""
        for name in names:
            if name in self._sides and self.anchor_of(name) is None:
                anchor = self.resolve([name], evidence).anchor
                anchor.customer.sides |= self._sides[name]

    def _forget_what_is_out_of_the_window(self, names: Sequence[Identifier]) -> None:
        assert self._at is not None
        for namespace, span in self._rules.windows.items():
            for customer in self._matched(names):
                customer.counts[namespace] = sum(
                    1 for one, at in self._linked[customer.customer_id] if one == namespace and at > self._at - span
                )

    def _decide(self, link: StoredLink, one: StoredAnchor, other: StoredAnchor) -> None:
        names = [name for stored in (one, other) if (name := self.name_of(stored)) is not None]
        matched = self._matched(names)
        if len(matched) > 1 and self._conflict(matched, []) != SEPARATED:
            self._join(matched, Evidence(link.source_id, link.event_id, link.rule))

    def _add(self, name: Identifier, customer: Customer, rule: str, evidence: Evidence) -> Anchor:
        if name.namespace in self._rules.windows and self._at is not None:
            self._linked[customer.customer_id].append((name.namespace, self._at))
        return super()._add(name, customer, rule, evidence)

    def _merge(self, former: Customer, into: Customer, evidence: Evidence) -> None:
        super()._merge(former, into, evidence)
        self._linked[into.customer_id] += self._linked.pop(former.customer_id, [])

    def holder_of(self, stored: StoredAnchor) -> Customer | None:
        """Whose a stored anchor would be; None when these rules would not have taken it.

        Of a shared identifier: the customer of the event that brought this anchor of it.
        """
        name = self.name_of(stored)
        if name is None:
            return None
        anchor = self.anchor_of(name)
        if anchor is not None and self._rules[name.namespace].is_shared:
            anchor = self._where.get((stored.source_id, stored.event_id))
        return None if anchor is None else anchor.customer.now()

    def customers(self) -> int:
        """How many customers the stored anchors are."""
        return len({holder.customer_id for stored in self._part.anchors if (holder := self.holder_of(stored))})

    def joining_events(self) -> Iterator[tuple[_EventKey, str, Customer]]:
        """The events that joined customers, with their rule and the customer that came of it."""
        for merge in self.changes.merges:
            key = merge.evidence.source_id, merge.evidence.event_id
            if key in self._where:
                yield key, merge.evidence.rule, self._where[key].customer.now()


def _merges(part: Part, before: _Replay, after: _Replay) -> Iterator[WouldMerge]:
    labels = _labels(part, before)
    joined: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for stored in part.anchors:
        was, would_be = before.holder_of(stored), after.holder_of(stored)
        if was is not None and would_be is not None:
            joined[would_be.customer_id].add(was.customer_id)
    through: defaultdict[UUID, dict[tuple[UUID, str], None]] = defaultdict(dict)
    rules: dict[UUID, str] = {}
    members = _members(part)
    for key, rule, customer in after.joining_events():
        if len(joined[customer.customer_id]) > 1:
            found = members.get(key, [])
            if len({was.customer_id for one in found if (was := before.holder_of(one))}) > 1:
                rules.setdefault(customer.customer_id, rule)
                through[customer.customer_id].update(dict.fromkeys((one.anchor_id, one.namespace) for one in found))
    for customer_id, former in joined.items():
        if len(former) > 1:
            yield WouldMerge(
                sorted(labels[one] for one in former),
                list(through[customer_id])[:ANCHORS_SHOWN],
                rules.get(customer_id, "same_event"),
            )


def _members(part: Part) -> Mapping[_EventKey, list[StoredAnchor]]:
    """Event -> the stored anchors of all identifiers it carried."""
    of_name: defaultdict[tuple[str, str], list[StoredAnchor]] = defaultdict(list)
    for stored in part.anchors:
        of_name[stored.namespace, stored.value].append(stored)
    return {key: [one for name in event.names for one in of_name[name]] for key, event in _events_of(part).items()}


def _splits(part: Part, before: _Replay, after: _Replay) -> Iterator[WouldSplit]:
    labels = _labels(part, before)
    divided: defaultdict[UUID, defaultdict[UUID, list[UUID]]] = defaultdict(lambda: defaultdict(list))
    for stored in part.anchors:
        was, would_be = before.holder_of(stored), after.holder_of(stored)
        if was is not None:
            side = stored.anchor_id if would_be is None else would_be.customer_id
            divided[was.customer_id][side].append(stored.anchor_id)
    for customer_id, parts in divided.items():
        if len(parts) > 1:
            yield WouldSplit(labels[customer_id], sorted(sorted(anchors)[:ANCHORS_SHOWN] for anchors in parts.values()))


def _labels(part: Part, replay: _Replay) -> dict[UUID, UUID]:
    """Replayed customer -> the stored customer that holds its oldest anchor."""
    labels: dict[UUID, UUID] = {}
    for stored in sorted(part.anchors):
        holder = replay.holder_of(stored)
        if holder is not None:
            labels.setdefault(holder.customer_id, stored.customer_id)
    return labels
