"""The rules of resolution: by example as Segment Unify documents them, and against a plain reading of them."""

from collections import Counter
from collections.abc import Sequence
from itertools import count
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import given

from identity_service.rules.changes import Anchor, Customer, Evidence, Merge, customers_of, in_layers
from identity_service.rules.identifiers import Identifier, Namespace, Namespaces
from identity_service.rules.resolution import ALIAS, LIMIT, SEPARATED, SHARED, UNIQUE, Graph

EVIDENCE = Evidence("shop", UUID(int=0))
NAMESPACES = [
    Namespace(name="user_id", limit=1, priority=1, is_unique=True),
    Namespace(name="email", limit=2, priority=2),
    Namespace(name="anonymous_id", limit=3, priority=3),
    Namespace(name="device", limit=3, priority=4, is_shared=True),
    Namespace(name="line", limit=2, priority=5),
]
RULES = Namespaces(NAMESPACES)
KINDS = {"u": "user_id", "e": "email", "a": "anonymous_id", "d": "device", "l": "line"}
NO_LIMITS = Namespaces([Namespace(name=name, limit=1000, priority=1) for name in KINDS.values()])


def graph(anchors: Sequence[Anchor] = (), *, namespaces: Namespaces = RULES, start: int = 1) -> Graph:
    numbers = count(start)
    return Graph(anchors, namespaces=namespaces, new_id=lambda: UUID(int=next(numbers)))


def event(*names: str) -> list[Identifier]:
    """`u1` is user_id 1, `e1` an e-mail, `a1` an anonymous id, `d1` a shared device; the strongest first."""
    return RULES.usable([Identifier(KINDS[name[0]], name) for name in names])


def resolve(one: Graph, *names: str, source: str = "shop") -> Anchor:
    return one.resolve(event(*names), Evidence(source, UUID(int=0))).anchor


def customer_of(one: Graph, name: str) -> UUID:
    return resolve(one, name).customer.now().customer_id


def held(one: Graph) -> set[tuple[str, str]]:
    """(value, reason) of what was kept apart."""
    return {(name.value, held.reason) for (_, name), held in one.changes.held.items()}


def stored(customer_id: int, *names: str, version: int = 1) -> list[Anchor]:
    """Anchors of a customer as they come from the database."""
    customer = Customer(UUID(int=customer_id), version=version)
    anchors = []
    for position, name in enumerate(event(*names)):
        customer.counts[name.namespace] = customer.counts.get(name.namespace, 0) + 1
        anchor_id = UUID(int=customer_id + position + 1)
        anchors.append(Anchor(anchor_id, name, customer, sources=frozenset({"shop"})))
    return anchors


def test_an_unknown_identifier_makes_a_customer() -> None:
    one = graph()
    resolution = one.resolve(event("a1"), EVIDENCE)
    assert one.changes.customers == [resolution.anchor.customer]
    assert [linked.rule for linked in one.changes.identifiers] == ["first_seen"]


def test_a_further_identifier_joins_the_customer_with_its_evidence() -> None:
    one = graph()
    first = one.resolve(event("a1"), EVIDENCE).anchor
    later = Evidence("crm", UUID(int=99))
    strongest = one.resolve(event("u1", "a1"), later).anchor
    assert strongest.identifier == Identifier("user_id", "u1")
    assert strongest.customer is first.customer
    assert [(linked.rule, linked.evidence) for linked in one.changes.identifiers[1:]] == [("same_event", later)]
    assert one.changes.links == {(strongest.anchor_id, first.anchor_id, "crm"): later}
    assert first.sources == {"shop", "crm"}


def test_two_customers_become_the_older_one() -> None:
    one = graph()
    older, younger = customer_of(one, "a1"), customer_of(one, "e1")
    one.resolve(event("e1", "a1"), EVIDENCE)
    assert [(merge.former_customer_id, merge.customer_id) for merge in one.changes.merges] == [(younger, older)]
    assert customer_of(one, "e1") == older


def test_a_stored_customer_is_older_than_a_new_one_whatever_the_clocks_say() -> None:
    one = graph(stored(1000, "a1"))
    new = customer_of(one, "u1")
    assert new < UUID(int=1000)
    assert resolve(one, "u1", "a1").customer.now().customer_id == UUID(int=1000)


def test_only_customers_that_change_are_touched() -> None:
    one = graph([*stored(1000, "u1", "a1"), *stored(2000, "u2", "a2"), *stored(3000, "a3")])
    resolve(one, "u1", "a1")
    resolve(one, "u1", "a2")  # kept apart: nothing changes
    assert not one.changes.touched
    resolve(one, "u2", "e2")
    resolve(one, "u2", "a3")
    assert set(one.changes.touched) == {UUID(int=2000), UUID(int=3000)}


def test_each_source_leaves_its_own_evidence() -> None:
    one = graph(stored(1000, "u1", "a1"))
    for source in ("shop", "crm", "crm"):
        resolve(one, "u1", "a1", source=source)
    assert [source for _, _, source in one.changes.links] == ["shop", "crm"]
    assert set(one.changes.sources) == {(UUID(int=1001), "crm"), (UUID(int=1002), "crm")}


def test_the_weakest_identifier_is_dropped_when_a_limit_would_break() -> None:
    """Segment's own example: a new user_id with a known e-mail is another customer."""
    one = graph()
    first = resolve(one, "u1", "e1")
    second = one.resolve(event("u2", "e1"), EVIDENCE)
    assert second.kept == event("u2")
    assert second.anchor.customer is not first.customer
    assert customer_of(one, "e1") == first.customer.customer_id
    assert held(one) == {("e1", UNIQUE)}


def test_values_beyond_the_limit_stay_apart() -> None:
    one = graph()
    for number in range(3):
        assert len(one.resolve(event("u1", f"a{number}"), EVIDENCE).kept) == 2
    assert one.resolve(event("u1", "a3"), EVIDENCE).kept == event("u1")
    assert customer_of(one, "a3") != customer_of(one, "u1")
    assert held(one) == {("a3", LIMIT)}


def test_an_event_that_breaks_a_limit_by_itself_keeps_its_strongest() -> None:
    assert graph().resolve(event("u1", "u2", "a1"), EVIDENCE).kept == event("u1")


def test_a_customer_beyond_a_limit_that_was_lowered_later_keeps_working() -> None:
    one = graph(stored(1000, "u1", *(f"a{number}" for number in range(5))))
    assert one.resolve(event("u1", "a4"), EVIDENCE).kept == event("u1", "a4")
    assert one.resolve(event("u1", "e1"), EVIDENCE).kept == event("u1", "e1")
    assert one.resolve(event("u1", "a5"), EVIDENCE).kept == event("u1")


def test_a_shared_device_goes_to_who_was_last_verified_on_it() -> None:
    one = graph()
    first = resolve(one, "u1", "d1").customer
    second = resolve(one, "u2", "d1").customer
    assert second is not first
    assert held(one) == {("d1", SHARED)}
    assert resolve(one, "d1").customer is second
    resolve(one, "u1", "d1")
    assert resolve(one, "d1").customer is first
    anchors = [linked for linked in one.changes.identifiers if linked.anchor.identifier.value == "d1"]
    assert [(linked.rule, linked.anchor.is_current) for linked in anchors] == [("same_event", True), (SHARED, False)]


def test_a_stored_device_is_handed_over_and_back_by_its_anchors() -> None:
    first, second = stored(1000, "u1", "d1"), stored(2000, "u2")
    one = graph([*first, *second])
    resolve(one, "u2", "d1")
    assert [anchor.is_current for anchor in one.changes.passed_on.values()] == [False]
    assert set(one.changes.touched) == {UUID(int=1000), UUID(int=2000)}
    assert first[0].customer.counts["device"] == 0
    resolve(one, "u1", "d1")
    assert [anchor.is_current for anchor in one.changes.passed_on.values()] == [True]
    assert resolve(one, "d1") is first[1]


def test_a_shared_device_gives_way_before_a_weaker_identifier_of_somebody() -> None:
    one = graph()
    first = resolve(one, "u1", "d1").customer
    second = resolve(one, "u2", "l2").customer
    anchor = resolve(one, "d1", "l2")
    assert anchor.identifier.value == "l2"
    assert resolve(one, "d1").customer is second is not first


def test_an_anonymous_device_is_joined_and_not_handed_over() -> None:
    one = graph()
    anonymous = resolve(one, "d1").customer
    assert resolve(one, "u1", "d1").customer.now() is anonymous
    assert not one.changes.held


def test_too_many_devices_of_one_customer_are_no_reason_to_hand_one_over() -> None:
    one = graph()
    for number in range(3):
        resolve(one, "u1", f"d{number}")
    apart = resolve(one, "d3").customer
    resolve(one, "u1", "d3")
    assert resolve(one, "d3").customer is apart
    assert held(one) == {("d3", LIMIT)}


def test_two_devices_alone_are_handed_to_nobody() -> None:
    one = graph()
    first, second = resolve(one, "u1", "d1").customer, resolve(one, "u2", "d2").customer
    assert resolve(one, "d1", "d2").customer is first
    assert resolve(one, "d2").customer is second


def test_what_a_person_separated_is_not_joined() -> None:
    first, second = stored(1000, "u1", "a1"), stored(2000, "e2", "l2")
    decision = UUID(int=9)
    first[0].customer.sides = frozenset({(decision, 0)})
    second[0].customer.sides = frozenset({(decision, 1)})
    one = graph([*first, *second])
    resolve(one, "u1", "e2")
    assert held(one) == {("e2", SEPARATED)}
    assert not one.changes.merges
    third = resolve(one, "a3", "l2")
    assert third.customer is second[0].customer
    resolve(one, "u1", "a3")
    assert not one.changes.merges


def test_an_alias_joins_two_unique_ids_and_the_former_counts_no_more() -> None:
    first, second = stored(1000, "u1"), stored(2000, "u2")
    one = graph([*first, *second])
    evidence = Evidence("crm", UUID(int=7), ALIAS)
    resolution = one.resolve(event("u2", "u1"), evidence, superseded=Identifier("user_id", "u1"))
    assert resolution.anchor is second[0]
    assert second[0].customer.now() is first[0].customer.now()
    assert set(one.changes.superseded) == {first[0].anchor_id}
    assert resolve(one, "u1").customer.now() is resolve(one, "u2").customer.now()
    resolve(one, "u2", "u3")
    assert held(one) == {("u3", UNIQUE)}
    one.resolve(event("u4", "u2"), evidence, superseded=Identifier("user_id", "u2"))
    assert resolve(one, "u4").customer.now() is resolve(one, "u1").customer.now()


def test_an_alias_that_is_not_kept_supersedes_nothing() -> None:
    first, second = stored(1000, "u1"), stored(2000, "u2")
    decision = UUID(int=9)
    first[0].customer.sides, second[0].customer.sides = frozenset({(decision, 0)}), frozenset({(decision, 1)})
    one = graph([*first, *second])
    one.resolve(event("u2", "u1"), Evidence("crm", UUID(int=7), ALIAS), superseded=Identifier("user_id", "u1"))
    assert held(one) == {("u1", SEPARATED)}
    assert not one.changes.superseded and first[0].customer.counts["user_id"] == 1


def test_merges_are_carried_out_in_layers() -> None:
    def merge(former: int, into: int) -> Merge:
        return Merge(UUID(int=former + 100), UUID(int=former), UUID(int=into), EVIDENCE)

    merges = [merge(5, 4), merge(6, 4), merge(3, 2), merge(4, 2), merge(7, 1), merge(2, 1)]
    layers = [[(int(one.former_customer_id), int(one.customer_id)) for one in layer] for layer in in_layers(merges)]
    assert layers == [[(5, 4), (6, 4), (3, 2), (7, 1)], [(4, 2)], [(2, 1)]]
    assert set(customers_of(merges).values()) == {UUID(int=1)}


names = st.builds(lambda kind, number: f"{kind}{number}", st.sampled_from("ueaa"), st.integers(0, 4))
events = st.lists(st.lists(names, min_size=1, max_size=4).map(lambda chosen: event(*chosen)), max_size=40)
all_names = st.builds(lambda kind, number: f"{kind}{number}", st.sampled_from("ueaddl"), st.integers(0, 4))
all_events = st.lists(st.lists(all_names, min_size=1, max_size=4).map(lambda chosen: event(*chosen)), max_size=40)


class PlainReading:
    """The rules again, as sets in a list, the oldest customer first."""

    def __init__(self) -> None:
        self.customers: list[set[Identifier]] = []

    def resolve(self, identifiers: list[Identifier]) -> Identifier:
        for length in range(len(identifiers), 0, -1):
            kept = set(identifiers[:length])
            matched = [customer for customer in self.customers if customer & kept]
            if length == 1 or not self._breaks(kept, matched):
                break
        together = kept.union(*matched)
        if matched:
            matched[0] |= together
            self.customers = [customer for customer in self.customers if customer not in matched[1:]]
        else:
            self.customers.append(together)
        return identifiers[0]

    @staticmethod
    def _breaks(kept: set[Identifier], matched: list[set[Identifier]]) -> bool:
        together = kept.union(*matched)
        for namespace in {identifier.namespace for identifier in together}:
            size = sum(identifier.namespace == namespace for identifier in together)
            largest = max((sum(one.namespace == namespace for one in customer) for customer in matched), default=0)
            if size > RULES[namespace].most_values and size > largest:
                return True
        return False


def partition(one: Graph) -> set[frozenset[Identifier]]:
    customers: dict[UUID, set[Identifier]] = {}
    for linked in one.changes.identifiers:
        customers.setdefault(linked.anchor.customer.now().customer_id, set()).add(linked.anchor.identifier)
    return {frozenset(members) for members in customers.values()}


@given(events)
def test_it_is_what_a_plain_reading_of_the_rules_says(stream: list[list[Identifier]]) -> None:
    one, plain = graph(), PlainReading()
    for identifiers in stream:
        assert one.resolve(identifiers, EVIDENCE).anchor.identifier == plain.resolve(identifiers)
    assert partition(one) == {frozenset(customer) for customer in plain.customers}


@given(all_events)
def test_no_customer_ever_exceeds_a_limit(stream: list[list[Identifier]]) -> None:
    """Unique ids, above all: not even over shared devices. A device that is somebody else's, too, is not counted."""
    one = graph()
    for identifiers in stream:
        one.resolve(identifiers, EVIDENCE)
        held_by: Counter[tuple[UUID, str]] = Counter()
        for linked in one.changes.identifiers:
            if linked.rule != SHARED:
                held_by[linked.anchor.customer.now().customer_id, linked.anchor.identifier.namespace] += 1
        assert all(
            size <= RULES[namespace].most_values for (_, namespace), size in held_by.items() if namespace != "device"
        )


@given(all_events)
def test_counts_are_what_the_customers_hold(stream: list[list[Identifier]]) -> None:
    one = graph()
    for identifiers in stream:
        one.resolve(identifiers, EVIDENCE)
    held_by: Counter[tuple[UUID, str]] = Counter()
    for linked in one.changes.identifiers:
        anchor = linked.anchor
        held_by[anchor.customer.now().customer_id, anchor.identifier.namespace] += (
            anchor.is_current and anchor.is_counted
        )
    counted = {
        (customer.customer_id, namespace): number
        for customer in one.changes.customers
        if customer.into is None
        for namespace, number in customer.counts.items()
    }
    assert {key: number for key, number in counted.items() if number} == {k: n for k, n in held_by.items() if n}


@given(all_events)
def test_an_identifier_has_one_current_anchor_and_one_per_customer(stream: list[list[Identifier]]) -> None:
    one = graph()
    for identifiers in stream:
        one.resolve(identifiers, EVIDENCE)
    current = Counter(linked.anchor.identifier for linked in one.changes.identifiers if linked.anchor.is_current)
    assert set(current.values()) <= {1}
    assert set(current) == {linked.anchor.identifier for linked in one.changes.identifiers}


@given(events)
def test_an_event_again_changes_nothing(stream: list[list[Identifier]]) -> None:
    one = graph()
    for identifiers in stream:
        first = one.resolve(identifiers, EVIDENCE)
        before = (len(one.changes.identifiers), len(one.changes.merges), len(one.changes.customers))
        again = one.resolve(identifiers, EVIDENCE)
        assert (again.anchor, list(again.kept)) == (first.anchor, list(first.kept))
        assert (len(one.changes.identifiers), len(one.changes.merges), len(one.changes.customers)) == before


@given(all_events, st.lists(st.integers(1, 5), max_size=10))
def test_batches_of_any_size_give_the_same(stream: list[list[Identifier]], sizes: list[int]) -> None:
    """Each batch loads only the current anchors its events name, and their customers' counts, as the resolver does."""
    whole = graph()
    for identifiers in stream:
        whole.resolve(identifiers, EVIDENCE)
    database = Stored()
    position, number = 0, 1
    for size in [*sizes, len(stream)]:
        batch = stream[position : position + size]
        position += size
        part = database.graph_for(batch, start=number)
        for identifiers in batch:
            part.resolve(identifiers, EVIDENCE)
        number += 1000
        database.save(part)
    assert database.partition() == partition(whole)
    assert {row.identifier: row.holder for row in database.rows.values() if row.is_current}.keys() == {
        linked.anchor.identifier for linked in whole.changes.identifiers
    }


class Row:
    def __init__(self, identifier: Identifier, holder: UUID, *, is_current: bool, is_counted: bool) -> None:
        self.identifier, self.holder, self.is_current, self.is_counted = identifier, holder, is_current, is_counted


class Stored:
    """What the tables hold, and how the resolver reads and writes them."""

    def __init__(self) -> None:
        self.rows: dict[UUID, Row] = {}

    def graph_for(self, batch: list[list[Identifier]], *, start: int) -> Graph:
        named = {name for identifiers in batch for name in identifiers}
        customers: dict[UUID, Customer] = {}
        anchors = []
        for anchor_id, row in self.rows.items():
            if row.is_current and row.identifier in named:
                customer = customers.setdefault(row.holder, Customer(row.holder))
                anchors.append(
                    Anchor(anchor_id, row.identifier, customer, sources=frozenset({"shop"}), is_counted=row.is_counted)
                )
        for anchor_id, row in self.rows.items():
            holder = customers.get(row.holder)
            if holder is not None and row.is_current and row.is_counted:
                holder.counts[row.identifier.namespace] = holder.counts.get(row.identifier.namespace, 0) + 1
            if holder is not None and not row.is_current:
                former = Anchor(anchor_id, row.identifier, holder, is_current=False, is_counted=row.is_counted)
                holder.former_anchors[row.identifier] = former
        return graph(anchors, start=start)

    def save(self, part: Graph) -> None:
        for anchor_id, anchor in part.changes.passed_on.items():
            self.rows[anchor_id].is_current = anchor.is_current
        for linked in part.changes.identifiers:
            anchor = linked.anchor
            self.rows[anchor.anchor_id] = Row(
                anchor.identifier, linked.customer_id, is_current=anchor.is_current, is_counted=anchor.is_counted
            )
        for layer in in_layers(part.changes.merges):
            ends = {merge.former_customer_id: merge.customer_id for merge in layer}
            for row in self.rows.values():
                row.holder = ends.get(row.holder, row.holder)

    def partition(self) -> set[frozenset[Identifier]]:
        customers: dict[UUID, set[Identifier]] = {}
        for row in self.rows.values():
            customers.setdefault(row.holder, set()).add(row.identifier)
        return {frozenset(members) for members in customers.values()}


@given(all_events, st.randoms(use_true_random=False))
def test_without_limits_order_does_not_matter(stream: list[list[Identifier]], random: object) -> None:
    shuffled = list(stream)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    results = []
    for order in (stream, shuffled):
        one = graph(namespaces=NO_LIMITS)
        for identifiers in order:
            one.resolve(identifiers, EVIDENCE)
        results.append(partition(one))
    assert results[0] == results[1]


@given(events, st.randoms(use_true_random=False), st.lists(st.integers(0, 39), max_size=10))
def test_duplicates_and_late_events_change_nothing_once_all_is_known(
    stream: list[list[Identifier]], random: object, again: list[int]
) -> None:
    one = graph()
    for identifiers in stream:
        one.resolve(identifiers, EVIDENCE)
    for identifiers in stream:  # what was held apart may now join others; from here on nothing does
        one.resolve(identifiers, EVIDENCE)
    before = partition(one)
    late = [stream[number] for number in again if number < len(stream)]
    random.shuffle(late)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    for identifiers in late:
        one.resolve(identifiers, EVIDENCE)
    assert partition(one) == before
