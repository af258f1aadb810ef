"""A dry run says what the resolver would have done: held against the resolver itself under the other rules."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from identity_service.rules.changes import Evidence
from identity_service.rules.identifiers import Identifier, Namespace, Namespaces
from identity_service.rules.resolution import Graph
from identity_service.rules.simulation import (
    Difference,
    Part,
    StoredAnchor,
    StoredHeld,
    StoredLink,
    StoredSeparation,
    _events_of,
    _Replay,
    changed_namespaces,
    compare,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
Names = Sequence[tuple[str, str]]

USER = Namespace(name="user", limit=1, priority=1, is_unique=True)
MAIL = Namespace(name="mail", limit=2, priority=2)
CARD = Namespace(name="card", limit=2, priority=3)
COOKIE = Namespace(name="cookie", limit=3, priority=4, is_shared=True)
RULES = Namespaces([USER, MAIL, CARD, COOKIE])


def resolved(events: Sequence[Names], rules: Namespaces) -> Graph:
    numbers = count(1)
    graph = Graph([], namespaces=rules, new_id=lambda: UUID(int=next(numbers)))
    for index, names in enumerate(events):
        usable = rules.usable([Identifier(*name) for name in names])
        if usable:
            graph.resolve(usable, Evidence("shop", UUID(int=index)))
    return graph


def stored(events: Sequence[Names], rules: Namespaces) -> Part:
    """What the database holds after these events, each an hour after the one before."""
    graph = resolved(events, rules)

    def at(evidence: Evidence) -> datetime:
        return START + timedelta(hours=evidence.event_id.int)

    anchors = [
        StoredAnchor(
            one.anchor.anchor_id, *one.anchor.identifier, one.anchor.customer.now().customer_id,
            one.evidence.source_id, one.evidence.event_id, one.rule, at(one.evidence),
        )
        for one in graph.changes.identifiers
    ]  # fmt: skip
    links = [
        StoredLink(one, other, evidence.source_id, evidence.event_id, evidence.rule, at(evidence))
        for (one, other, _), evidence in graph.changes.links.items()
    ]
    held = [
        StoredHeld(anchor_id, *name, one.evidence.source_id, one.evidence.event_id, at(one.evidence))
        for (anchor_id, name), one in graph.changes.held.items()
    ]
    return Part(anchors, links, held)


def together(part: Part, graph: Graph) -> set[frozenset[tuple[str, str]]]:
    """The partition of the stored identifiers that a resolver makes; those it would not take stand alone."""
    groups: defaultdict[object, set[tuple[str, str]]] = defaultdict(set)
    for one in part.anchors:
        anchor = graph.anchor_of(Identifier(one.namespace, one.value))
        groups[one.anchor_id if anchor is None else anchor.customer.now()].add((one.namespace, one.value))
    return {frozenset(group) for group in groups.values()}


def predicted(part: Part, rules: Namespaces) -> set[frozenset[tuple[str, str]]]:
    replay = _Replay(part, namespaces=rules, trusted={})
    replay.run(_events_of(part))
    groups: defaultdict[object, set[tuple[str, str]]] = defaultdict(set)
    for one in part.anchors:
        holder = replay.holder_of(one)
        groups[one.anchor_id if holder is None else holder].add((one.namespace, one.value))
    return {frozenset(group) for group in groups.values()}


def dry_run(part: Part, proposed: Namespaces, present: Namespaces = RULES) -> Difference:
    return compare(part, present=present, proposed=proposed, trusted={})


values = st.sampled_from("abc")
pairs = st.lists(
    st.tuples(st.sampled_from(["user", "mail", "card"]), values), min_size=1, max_size=2, unique_by=lambda name: name[0]
)
limits = st.integers(1, 3)


def with_limits(mail: int, card: int, *, is_unique: bool = True) -> Namespaces:
    return Namespaces(
        [replace(USER, is_unique=is_unique), replace(MAIL, limit=mail), replace(CARD, limit=card), COOKIE]
    )


@given(events=st.lists(pairs, max_size=12), mail=limits, card=limits, is_unique=st.booleans())
@settings(max_examples=400, deadline=None)
def test_replayed_pairs_make_what_the_resolver_would_have_made(
    events: list[Names], mail: int, card: int, is_unique: bool
) -> None:
    part, other = stored(events, RULES), with_limits(mail, card, is_unique=is_unique)
    assert predicted(part, RULES) == together(part, resolved(events, RULES))
    assert predicted(part, other) == together(part, resolved(events, other))


@given(events=st.lists(pairs, max_size=12), mail=limits, card=limits)
@settings(max_examples=200, deadline=None)
def test_merges_and_splits_lead_from_the_one_to_the_other(events: list[Names], mail: int, card: int) -> None:
    part, other = stored(events, RULES), with_limits(mail, card)
    difference = dry_run(part, other)
    assert difference.customers_before == len(together(part, resolved(events, RULES)))
    now, then = together(part, resolved(events, RULES)), together(part, resolved(events, other))
    assert (now == then) == (not difference.merges and not difference.splits)
    for split in difference.splits:
        assert sum(map(len, split.parts)) == sum(one.customer_id == split.customer_id for one in part.anchors)
    assert dry_run(part, RULES) == (difference.customers_before, difference.customers_before, [], [])
    assume(events)


def test_a_higher_limit_joins_what_was_held_apart() -> None:
    events: list[Names] = [
        [("card", "1"), ("mail", "a")],
        [("card", "1"), ("mail", "b")],
        [("card", "2"), ("mail", "c")],
        [("card", "1"), ("mail", "c")],
    ]
    part = stored(events, with_limits(2, 3))
    [merge] = dry_run(part, with_limits(3, 3), present=with_limits(2, 3)).merges
    assert merge.customer_ids == sorted({one.customer_id for one in part.anchors})
    assert {namespace for _, namespace in merge.through} == {"card", "mail"}
    assert merge.rule == "same_event"


def test_a_lower_limit_and_a_blocked_value_hold_apart() -> None:
    events: list[Names] = [[("user", "1"), ("mail", "a")], [("user", "1"), ("mail", "b")]]
    part = stored(events, RULES)
    ids = {(one.namespace, one.value): one.anchor_id for one in part.anchors}
    lower = dry_run(part, with_limits(1, 2))
    assert (lower.customers_before, lower.merges) == (1, [])
    assert [split.parts for split in lower.splits] == [
        sorted([sorted([ids["user", "1"], ids["mail", "a"]]), [ids["mail", "b"]]])
    ]
    blocked = Namespaces([USER, replace(MAIL, blocked_values=("a",)), CARD, COOKIE])
    [split] = dry_run(part, blocked).splits
    assert [ids["mail", "a"]] in split.parts


def test_a_shared_cookie_that_no_longer_is_joins_a_family_and_a_cookie_that_becomes_shared_parts_it() -> None:
    events: list[Names] = [
        [("mail", "a"), ("cookie", "k")],
        [("user", "2"), ("mail", "b")],
        [("mail", "b"), ("cookie", "k")],
    ]
    plain = Namespaces([USER, replace(MAIL, limit=5), CARD, replace(COOKIE, is_shared=False)])
    strict = Namespaces([USER, replace(MAIL, limit=1), CARD, COOKIE])
    apart = stored(events, strict)
    [merge] = dry_run(apart, plain, present=strict).merges
    assert len(merge.customer_ids) == 2
    joined = stored(events, plain)
    assert len({one.customer_id for one in joined.anchors}) == 1
    [split] = dry_run(joined, strict, present=plain).splits
    assert len(split.parts) == 2


def test_a_normaliser_makes_two_values_one() -> None:
    events: list[Names] = [[("user", "1"), ("handle", "Sato")], [("card", "2"), ("handle", "sato")]]
    part = stored(events, RULES)
    lower = Namespaces([USER, MAIL, CARD, COOKIE, Namespace(name="handle", normaliser="lower")])
    [merge] = dry_run(part, lower).merges
    assert len(merge.customer_ids) == 2


def test_what_persons_decided_holds_under_any_rules() -> None:
    events: list[Names] = [
        [("card", "1"), ("mail", "a")],
        [("card", "2"), ("mail", "b")],
        [("card", "3"), ("mail", "c")],
    ]
    part = stored(events, RULES)
    ids = {(one.namespace, one.value): one.anchor_id for one in part.anchors}
    later, decision_id = START + timedelta(days=1), UUID(int=99)
    part.links.append(StoredLink(ids["card", "1"], ids["card", "2"], "identity", decision_id, "decision", later))
    part.separations.extend(
        StoredSeparation(UUID(int=98), ids[name], side) for name, side in ((("card", "3"), 0), (("mail", "c"), 1))
    )
    for rules in (RULES, with_limits(1, 1)):
        assert predicted(part, rules) == {
            frozenset({("card", "1"), ("mail", "a"), ("card", "2"), ("mail", "b")}),
            frozenset({("card", "3")}), frozenset({("mail", "c")}),
        }  # fmt: skip


def test_a_limit_of_a_window_counts_what_was_linked_within_it() -> None:
    weekly = Namespaces([USER, replace(MAIL, limit=1, limit_window="weekly"), CARD, COOKIE])
    hours = {0: "a", 1: "b", 24 * 8: "c"}
    names: list[Names] = [[("user", "1"), ("mail", hours[hour])] if hour in hours else [] for hour in range(24 * 8 + 1)]
    part = stored(names, with_limits(5, 5))
    assert predicted(part, weekly) == {
        frozenset({("user", "1"), ("mail", "a"), ("mail", "c")}), frozenset({("mail", "b")}),
    }  # fmt: skip


def test_an_untrusted_source_does_not_link_what_must_be_verified() -> None:
    events: list[Names] = [[("user", "1"), ("mail", "a")]]
    part = stored(events, RULES)
    verified = Namespaces([USER, replace(MAIL, verified_only=True), CARD, COOKIE])
    assert len(dry_run(part, verified).splits) == 1
    trusted = compare(part, present=RULES, proposed=verified, trusted={"shop": frozenset({"mail"})})
    assert trusted.splits == []


def test_only_what_changes_is_named() -> None:
    other = Namespaces([USER, replace(MAIL, limit=3), CARD, replace(COOKIE, is_restricted=True), Namespace(name="x")])
    assert changed_namespaces(["user", "mail", "card", "cookie", "x"], RULES, other) == ["mail"]
