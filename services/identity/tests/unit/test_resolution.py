"""The rules of resolution: by example as Segment Unify documents them, and against a plain reading of them."""

from collections.abc import Sequence
from itertools import count
from uuid import UUID

import hypothesis.strategies as st
from hypothesis import given

from identity_service.rules.identifiers import Identifier, Namespace, Namespaces
from identity_service.rules.resolution import Anchor, Evidence, Graph

EVIDENCE = Evidence("shop", UUID(int=0))
RULES = Namespaces(
    [
        Namespace(name="user_id", limit=1, priority=1, is_unique=True),
        Namespace(name="email", limit=2, priority=2),
        Namespace(name="anonymous_id", limit=3, priority=3),
    ]
)
NO_LIMITS = Namespaces([Namespace(name=name, limit=1000, priority=1) for name in ("user_id", "email", "anonymous_id")])


def graph(anchors: Sequence[Anchor] = (), *, namespaces: Namespaces = RULES, start: int = 1) -> Graph:
    numbers = count(start)
    return Graph(anchors, namespaces=namespaces, new_id=lambda: UUID(int=next(numbers)))


def event(*names: str) -> list[Identifier]:
    """`u1` is user_id 1, `e1` an e-mail, `a1` an anonymous id; the strongest first."""
    kinds = {"u": "user_id", "e": "email", "a": "anonymous_id"}
    return RULES.usable([Identifier(kinds[name[0]], name) for name in names])


def customer_of(one: Graph, name: str) -> UUID:
    return one.resolve(event(name), EVIDENCE).anchor.customer_id


def test_an_unknown_identifier_makes_a_customer() -> None:
    one = graph()
    resolution = one.resolve(event("a1"), EVIDENCE)
    assert one.changes.customers == [resolution.anchor.customer_id]
    assert [linked.rule for linked in one.changes.identifiers] == ["first_seen"]


def test_a_further_identifier_joins_the_customer_with_its_evidence() -> None:
    one = graph()
    first = one.resolve(event("a1"), EVIDENCE).anchor
    later = Evidence("crm", UUID(int=99))
    strongest = one.resolve(event("u1", "a1"), later).anchor
    assert strongest.identifier == Identifier("user_id", "u1")
    assert strongest.customer_id == first.customer_id
    assert [(linked.rule, linked.evidence) for linked in one.changes.identifiers[1:]] == [("same_event", later)]
    assert one.changes.links == {(strongest.anchor_id, first.anchor_id): later}


def test_two_customers_become_the_older_one() -> None:
    one = graph()
    older, younger = customer_of(one, "a1"), customer_of(one, "e1")
    one.resolve(event("e1", "a1"), EVIDENCE)
    [move] = one.changes.moves
    assert (move.former_customer_id, move.customer_id, move.version) == (younger, older, 2)
    assert [(merge.former_customer_id, merge.customer_id) for merge in one.changes.merges] == [(younger, older)]
    assert customer_of(one, "e1") == older


def test_the_weakest_identifier_is_dropped_when_a_limit_would_break() -> None:
    """Segment's own example: a new user_id with a known e-mail is another customer."""
    one = graph()
    first = one.resolve(event("u1", "e1"), EVIDENCE)
    second = one.resolve(event("u2", "e1"), EVIDENCE)
    assert second.kept == event("u2")
    assert second.anchor.customer_id != first.anchor.customer_id
    assert customer_of(one, "e1") == first.anchor.customer_id


def test_values_beyond_the_limit_stay_apart() -> None:
    one = graph()
    for number in range(3):
        assert len(one.resolve(event("u1", f"a{number}"), EVIDENCE).kept) == 2
    assert one.resolve(event("u1", "a3"), EVIDENCE).kept == event("u1")
    assert customer_of(one, "a3") != customer_of(one, "u1")


def test_an_event_that_breaks_a_limit_by_itself_keeps_its_strongest() -> None:
    assert graph().resolve(event("u1", "u2", "a1"), EVIDENCE).kept == event("u1")


def test_a_customer_beyond_a_limit_that_was_lowered_later_keeps_working() -> None:
    customer = UUID(int=1)
    anchors = [Anchor(UUID(int=10 + n), Identifier("anonymous_id", f"a{n}"), customer) for n in range(5)]
    anchors.append(Anchor(UUID(int=20), Identifier("user_id", "u1"), customer))
    one = graph(anchors, start=100)
    assert one.resolve(event("u1", "a4"), EVIDENCE).kept == event("u1", "a4")
    assert one.resolve(event("u1", "e1"), EVIDENCE).kept == event("u1", "e1")
    assert one.resolve(event("u1", "a5"), EVIDENCE).kept == event("u1")


names = st.builds(lambda kind, number: f"{kind}{number}", st.sampled_from("ueaa"), st.integers(0, 4))
events = st.lists(st.lists(names, min_size=1, max_size=4).map(lambda chosen: event(*chosen)), max_size=40)


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
        customers.setdefault(linked.anchor.customer_id, set()).add(linked.anchor.identifier)
    return {frozenset(members) for members in customers.values()}


@given(events)
def test_it_is_what_a_plain_reading_of_the_rules_says(stream: list[list[Identifier]]) -> None:
    one, plain = graph(), PlainReading()
    for identifiers in stream:
        assert one.resolve(identifiers, EVIDENCE).anchor.identifier == plain.resolve(identifiers)
    assert partition(one) == {frozenset(customer) for customer in plain.customers}


@given(events)
def test_no_customer_ever_exceeds_a_limit(stream: list[list[Identifier]]) -> None:
    one = graph()
    for identifiers in stream:
        one.resolve(identifiers, EVIDENCE)
        for members in partition(one):
            for namespace in {identifier.namespace for identifier in members}:
                size = sum(identifier.namespace == namespace for identifier in members)
                assert size <= RULES[namespace].most_values


@given(events)
def test_an_event_again_changes_nothing(stream: list[list[Identifier]]) -> None:
    one = graph()
    for identifiers in stream:
        first = one.resolve(identifiers, EVIDENCE)
        before = (len(one.changes.identifiers), len(one.changes.moves), len(one.changes.customers))
        again = one.resolve(identifiers, EVIDENCE)
        assert (again.anchor, list(again.kept)) == (first.anchor, list(first.kept))
        assert (len(one.changes.identifiers), len(one.changes.moves), len(one.changes.customers)) == before


@given(events, st.lists(st.integers(1, 5), max_size=10))
def test_batches_of_any_size_give_the_same(stream: list[list[Identifier]], sizes: list[int]) -> None:
    """Each batch loads only the customers its events can match, as the resolver does."""
    whole = graph()
    for identifiers in stream:
        whole.resolve(identifiers, EVIDENCE)
    stored: dict[Identifier, Anchor] = {}
    position, number = 0, 1
    for size in [*sizes, len(stream)]:
        batch = stream[position : position + size]
        position += size
        touched = {stored[name].customer_id for identifiers in batch for name in identifiers if name in stored}
        part = graph([anchor for anchor in stored.values() if anchor.customer_id in touched], start=number)
        for identifiers in batch:
            part.resolve(identifiers, EVIDENCE)
        number += 1000
        stored |= {linked.anchor.identifier: linked.anchor for linked in part.changes.identifiers}
    customers: dict[UUID, set[Identifier]] = {}
    for name, anchor in stored.items():
        customers.setdefault(anchor.customer_id, set()).add(name)
    assert {frozenset(members) for members in customers.values()} == partition(whole)


@given(events, st.randoms(use_true_random=False))
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


@given(events, st.randoms(use_true_random=False))
def test_consumers_that_keep_the_highest_version_end_where_the_graph_is(
    stream: list[list[Identifier]], random: object
) -> None:
    one = graph()
    for identifiers in stream:
        one.resolve(identifiers, EVIDENCE)
    said = [(linked.anchor.anchor_id, 1, linked.customer_id) for linked in one.changes.identifiers]
    said += [(move.anchor_id, move.version, move.customer_id) for move in one.changes.moves]
    random.shuffle(said)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    known: dict[UUID, tuple[int, UUID]] = {}
    for anchor_id, version, customer_id in said:
        known[anchor_id] = max(known.get(anchor_id, (0, customer_id)), (version, customer_id))
    assert known == {
        linked.anchor.anchor_id: (linked.anchor.version, linked.anchor.customer_id)
        for linked in one.changes.identifiers
    }
