"""What probability may join: compartments of legal entities, uses of a link, limits and persons' decisions."""

from itertools import combinations
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from identity_service.rules.agreements import Permit
from identity_service.rules.linking import (
    Holding,
    LinkUse,
    NamespaceLimits,
    RecordSource,
    Standing,
    compartments,
    uses_of_link,
)

A, B, C, D = (UUID(int=number) for number in range(1, 5))
SHOP = RecordSource("shop", "Kizuna Inc.", ("crm", "ads"))
CRM = RecordSource("crm", "Kizuna Inc.", ("crm",))
MALL = RecordSource("mall", "Mall Ltd.", ("ads",))


def test_each_legal_entity_is_compared_with_itself_alone() -> None:
    assert compartments({"a", "b"}, [], across_entities=False) == [frozenset("a"), frozenset("b")]
    assert compartments({"a", "b"}, [], across_entities=True) == [frozenset("ab")]
    assert compartments(set(), [], across_entities=True) == compartments(set(), [], across_entities=False) == []


def test_an_agreement_lets_two_meet_but_not_their_other_partners() -> None:
    agreements = [Permit("a", "b", ()), Permit("c", "b", ("ads",)), Permit("x", "a", ()), Permit("a", "a", ())]
    assert compartments({"a", "b", "c"}, agreements, across_entities=False) == [frozenset("ab"), frozenset("bc")]


@given(st.sets(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"))))
def test_two_entities_meet_in_a_compartment_exactly_when_an_agreement_binds_them(bound: set[tuple[str, str]]) -> None:
    groups = compartments(set("abcdef"), [Permit(one, other, ()) for one, other in bound], across_entities=False)
    meeting = {frozenset(pair) for group in groups for pair in combinations(group, 2)}
    assert meeting == {frozenset(pair) for pair in bound if pair[0] != pair[1]}
    assert not any(one < other for one in groups for other in groups)
    assert set().union(*groups) == set("abcdef")


def test_a_link_within_a_legal_entity_serves_what_both_records_were_given_for() -> None:
    assert uses_of_link(SHOP, CRM, [], across_entities=False) == [
        LinkUse("shop", "Kizuna Inc.", ["crm"]),
        LinkUse("crm", "Kizuna Inc.", ["crm"]),
    ]
    assert uses_of_link(SHOP, SHOP, [], across_entities=False) == [LinkUse("shop", "Kizuna Inc.", ["ads", "crm"])]
    unlimited = RecordSource("web", "Kizuna Inc.", ())
    assert uses_of_link(unlimited, CRM, [], across_entities=False)[0] == LinkUse("web", "Kizuna Inc.", ["crm"])
    ads = RecordSource("ads", "Kizuna Inc.", ("ads",))
    assert uses_of_link(ads, CRM, [], across_entities=False) == []


def test_a_link_across_legal_entities_serves_those_an_agreement_lets() -> None:
    given_to_mall = [Permit("Kizuna Inc.", "Mall Ltd.", ("ads", "research"))]
    assert uses_of_link(SHOP, MALL, given_to_mall, across_entities=False) == [LinkUse("mall", "Mall Ltd.", ["ads"])]
    assert uses_of_link(SHOP, MALL, [], across_entities=False) == []
    assert uses_of_link(SHOP, MALL, [], across_entities=True) == [
        LinkUse("shop", "Kizuna Inc.", ["ads"]),
        LinkUse("mall", "Mall Ltd.", ["ads"]),
    ]
    any_purpose = [Permit("Mall Ltd.", "Kizuna Inc.", ())]
    assert uses_of_link(SHOP, MALL, any_purpose, across_entities=False) == [
        LinkUse("shop", "Kizuna Inc.", ["ads", "crm"])
    ]


LIMITS = NamespaceLimits({"email": 2, "user_id": 1}, default=5, unique=["user_id"], shared=["anonymous_id"])


def _email(*values: str) -> dict[Holding, set[str]]:
    return {Holding("email"): set(values)}


def test_one_source_that_gave_two_unique_ids_speaks_of_two_customers() -> None:
    assert LIMITS.holdings("user_id", ["shop", "crm"]) == [Holding("user_id", "shop"), Holding("user_id", "crm")]
    assert LIMITS.holdings("anonymous_id", ["shop"]) == []
    shop_one, shop_two = {Holding("user_id", "shop"): {"1"}}, {Holding("user_id", "shop"): {"2"}}
    assert LIMITS.exceeded_by(shop_one, {Holding("user_id", "crm"): {"2"}}) is None
    assert LIMITS.exceeded_by(shop_one, shop_one) is None
    assert "user_id" in str(LIMITS.exceeded_by(shop_one, shop_two))


def test_a_limit_forbids_only_what_makes_a_namespace_grow_beyond_it() -> None:
    assert LIMITS.exceeded_by(_email("a"), _email("b")) is None
    assert LIMITS.exceeded_by(_email("a", "b"), _email("c")) == "they would hold 3 values of email, and 2 are allowed"
    assert LIMITS.exceeded_by(_email("a", "b", "c"), _email("c")) is None
    assert LIMITS.exceeded_by(_email("a", "b", "c"), {}) is None


def test_what_is_joined_inherits_what_keeps_either_apart() -> None:
    standing = Standing(apart=[(B, C)], held={A: _email("a"), B: _email("b"), D: _email("d")}, limits=LIMITS)
    assert standing.verdict(A, C) == ("link", None)
    standing.join(A, A, B)
    assert standing.now(B) == A
    assert standing.verdict(A, B)[0] == "leave"
    assert standing.verdict(A, C)[0] == standing.verdict(C, B)[0] == "leave"
    assert standing.verdict(B, D)[0] == "review"
    assert standing.verdict(C, D)[0] == "link"
