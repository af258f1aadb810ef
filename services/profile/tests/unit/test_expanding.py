"""References: what they come to, and what is refused with its path."""

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import TypeAdapter
from services.profile.tests.random_conditions import LIBRARY, NOW

from contracts.conditions import Condition, Value
from contracts.profile import SignStrength
from profile_service.conditions import (
    LIFECYCLE,
    Library,
    PublishedSign,
    RankEntry,
    RankTable,
    Reference,
    dependencies_of,
    dependents_of,
    expand,
    expand_value,
    references_of,
)
from profile_service.conditions import nodes as n
from profile_service.conditions.expanding import MAX_EXPANDED
from profile_service.repository.library import CONDITION
from servicekit.errors import Invalid

VALUE: TypeAdapter[Value] = TypeAdapter(Value)
BOUGHT = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
SPEND = {"kind": "events", "function": "sum", "event": "Order Completed", "property": "revenue"}


def segment(key: str) -> dict[str, Any]:
    return {"kind": "segment", "segment": key}


def both(*conditions: dict[str, Any]) -> dict[str, Any]:
    return {"kind": "and", "conditions": list(conditions)}


def _expanded(tree: dict[str, Any], library: Library = LIBRARY) -> n.Predicate:
    return expand(CONDITION.validate_python(tree), library)


def test_a_segment_stands_where_it_is_named() -> None:
    library = Library(segments={"buyers": CONDITION.validate_python(BOUGHT)})
    assert _expanded(both(BOUGHT, segment("buyers")), library) == _expanded(both(BOUGHT, BOUGHT))


def test_the_highest_rank_that_is_fulfilled_counts() -> None:
    at_least = [{"kind": "value", "of": SPEND, "comparison": "ge", "value": bound} for bound in (0, 3, 10)]
    rank = {"kind": "rank", "position": "is", "rank": "silver"}
    above = {"kind": "not", "condition": {"kind": "or", "conditions": [at_least[2]]}}
    assert _expanded(rank) == _expanded(both(at_least[1], above))
    assert _expanded({**rank, "position": "at_least"}) == _expanded({"kind": "or", "conditions": at_least[1:]})
    assert _expanded({**rank, "position": "at_most"}) == _expanded(above)
    assert _expanded({**rank, "position": "at_most", "rank": "gold"}) == n.Always(True)


def test_the_distance_to_the_next_rank_becomes_comparisons_of_the_measure() -> None:
    distance = {"kind": "value", "of": {"kind": "distance_to_next_rank"}, "comparison": "le", "value": 2}

    def measure(comparison: str, value: int) -> dict[str, Any]:
        return {"kind": "value", "of": SPEND, "comparison": comparison, "value": value}

    assert _expanded(distance) == _expanded(
        {"kind": "or", "conditions": [
            both(measure("lt", 0), measure("ge", -2)),
            both(measure("ge", 0), measure("lt", 3), measure("ge", 1)),
            both(measure("ge", 3), measure("lt", 10), measure("ge", 8)),
        ]}
    )  # fmt: skip


def test_a_percentile_compares_with_the_cut_until_the_next() -> None:
    top = {"kind": "percentile", "of": "monetary", "position": "top", "percent": 10}
    found = _expanded(top)
    assert isinstance(found, n.Bounded)
    assert found.until == LIBRARY.cuts["monetary"].until > NOW
    assert found.child == _expanded({"kind": "value", "of": SPEND, "comparison": "ge", "value": 10})
    assert _expanded({**top, "of": "frequency"}) == n.Always(False), "no cut has been taken"


def test_whoever_refers_is_found_also_through_others() -> None:
    tree = both(segment("buyers"), {"kind": "rank", "position": "is", "rank": None},
                {"kind": "lifecycle", "states": ["new"]},
                {"kind": "value", "of": {"kind": "add", "of": [{"kind": "computed", "key": "spend"}, SPEND]},
                 "comparison": "ge", "value": 1},
                {"kind": "percentile", "of": {"kind": "computed", "key": "visits"}, "position": "top",
                 "percent": 1})  # fmt: skip
    assert references_of(CONDITION.validate_python(tree)) == {
        ("segment", "buyers"), ("ranks", "default"), LIFECYCLE, ("computed", "spend"),
        ("computed", "visits"), ("cuts", "computed:visits"),
    }  # fmt: skip
    definitions: dict[Reference, Condition | tuple[Condition, ...]] = {
        ("segment", "a"): CONDITION.validate_python(segment("b")),
        ("segment", "b"): CONDITION.validate_python(segment("c")),
        ("segment", "c"): CONDITION.validate_python(BOUGHT),
        ("ranks", "default"): (CONDITION.validate_python(BOUGHT), CONDITION.validate_python(segment("b"))),
    }
    assert dependents_of(("segment", "c"), definitions) == {("segment", "b"), ("segment", "a"), ("ranks", "default")}
    assert dependents_of(("segment", "a"), definitions) == frozenset()


CIRCLE = Library(
    segments={
        "a": CONDITION.validate_python(both(BOUGHT, segment("b"))),
        "b": CONDITION.validate_python({"kind": "not", "condition": segment("a")}),
        "ranked": CONDITION.validate_python({"kind": "rank", "position": "is", "rank": "gold"}),
    },
    computed={"text": VALUE.validate_python({"kind": "constant", "value": "a"})},
    ranks={"default": RankTable((RankEntry("gold", CONDITION.validate_python(segment("ranked"))),))},
)


@pytest.mark.parametrize(
    ("tree", "field", "words"),
    [
        (both(BOUGHT, segment("a")), "condition.conditions.1.segment", "segment a -> segment b -> segment a"),
        (segment("nobody"), "condition.segment", "nobody"),
        (segment("ranked"), "condition.segment", "segment ranked -> ranks default -> segment ranked"),
        ({"kind": "rank", "position": "is", "rank": "lead"}, "condition.rank", "lead"),
        ({"kind": "rank", "position": "is", "rank": "gold", "table": "x"}, "condition.table", "x"),
        ({"kind": "lifecycle", "states": ["asleep"]}, "condition.states.0", "asleep"),
        ({"kind": "percentile", "of": {"kind": "computed", "key": "x"}, "position": "top", "percent": 5},
         "condition.of.key", "x"),
        ({"kind": "value", "of": {"kind": "computed", "key": "x"}, "comparison": "exists"}, "condition.of.key", "x"),
        ({"kind": "value", "of": {"kind": "computed", "key": "text"}, "comparison": "ge", "value": 1},
         "condition.value", "text"),
        ({"kind": "value", "of": {"kind": "points"}, "comparison": "ge", "value": 1}, "condition.of.table", "measure"),
    ],
)  # fmt: skip
def test_what_leads_nowhere_or_back_is_refused_where_it_is_said(tree: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(Invalid, match=words) as caught:
        _expanded(tree, CIRCLE)
    assert caught.value.errors[0][0] == field


def test_nothing_may_refer_to_what_it_is_to_become() -> None:
    library = Library(segments={"b": CONDITION.validate_python(segment("a")), "a": CONDITION.validate_python(BOUGHT)})
    with pytest.raises(Invalid) as caught:
        expand(CONDITION.validate_python(both(BOUGHT, segment("b"))), library, own=("segment", "a"))
    assert caught.value.errors[0][0] == "condition.conditions.1.segment"


def test_what_grows_too_big_is_refused_before_it_does() -> None:
    trees = {"s0": CONDITION.validate_python(BOUGHT)}
    for step in range(1, 40):
        again = segment(f"s{step - 1}")
        trees[f"s{step}"] = CONDITION.validate_python(both(again, again, again))
    with pytest.raises(Invalid, match=f"{MAX_EXPANDED}"):
        _expanded(segment("s39"), Library(segments=trees))


def test_values_are_expanded_alike() -> None:
    value = expand_value(VALUE.validate_python({"kind": "points"}), LIBRARY)
    assert value == expand_value(VALUE.validate_python(SPEND), LIBRARY)
    distance = expand_value(VALUE.validate_python({"kind": "distance_to_next_rank"}), LIBRARY)
    assert isinstance(distance, n.Choice)
    limits = [condition.right[0] for condition, _ in distance.cases if isinstance(condition, n.Compare)]
    assert limits == [n.Constant(Decimal(at), "number") for at in (0, 3, 10)]


def sign(condition: dict[str, Any], strength: SignStrength = "medium") -> PublishedSign:
    return PublishedSign(UUID(int=1), 1, CONDITION.validate_python(condition), strength, lifetime_days=2)


def test_a_sign_is_its_condition_or_lasts() -> None:
    library = Library(signs={"looking": sign(BOUGHT)})
    shown = n.Or((_expanded(BOUGHT), n.SignLasts(UUID(int=1), 48)))
    asked = {"kind": "sign", "sign": "looking"}
    assert _expanded(asked, library) == _expanded({**asked, "min_strength": "medium"}, library) == shown
    assert _expanded({**asked, "min_strength": "strong"}, library) == n.Always(False)
    detected = n.SignDetected(_expanded(BOUGHT), n.SignLasts(UUID(int=1), 48), within=72)
    assert _expanded({**asked, "detected": {"days": 3}}, library) == detected
    dependencies = dependencies_of(_expanded(asked, library))
    assert dependencies.events == {"Order Completed"} and dependencies.signs == {UUID(int=1)}


def test_a_sign_may_not_ask_for_itself_through_a_segment() -> None:
    asks = {"kind": "sign", "sign": "looking"}
    library = Library(
        segments={"buyers": CONDITION.validate_python(both(BOUGHT, asks))}, signs={"looking": sign(segment("buyers"))}
    )
    with pytest.raises(Invalid) as refused:
        expand(CONDITION.validate_python(both(BOUGHT, segment("buyers"))), library, own=("sign", "looking"))
    assert refused.value.errors == [
        (
            "condition.conditions.1.segment",
            "A definition may not refer to itself: sign looking -> segment buyers -> sign looking.",
        )
    ]
    with pytest.raises(Invalid) as refused:
        _expanded(both(asks), Library())
    assert refused.value.errors == [("condition.conditions.0.sign", "There is no published sign looking.")]
