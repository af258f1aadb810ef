"""What is read from a condition without a database."""

from typing import Any

import pytest
from hypothesis import given
from services.profile.tests.plain_reading import PlainCustomer, holds
from services.profile.tests.random_conditions import CURRENCY, LIBRARY, NOW, ZONE, trees

from profile_service.conditions import Library, check_condition, dependencies_of, expand, holds_for_stranger
from profile_service.conditions.checking import MAX_LEVELS, MAX_NODES
from profile_service.repository.library import CONDITION
from servicekit.errors import Invalid

LEAF = {"kind": "trait", "trait": "plan", "comparison": "eq", "value": "gold"}


@given(tree=trees)
def test_a_stranger_is_judged_like_somebody_without_anything_or_asked_about(tree: dict[str, Any]) -> None:
    """Who is taken for one that cannot fulfil it really does not."""
    condition = CONDITION.validate_python(tree)
    if not holds_for_stranger(expand(condition, LIBRARY)):
        assert not holds(condition, PlainCustomer(), now=NOW, currency=CURRENCY, zone=ZONE, library=LIBRARY)


@pytest.mark.parametrize(
    ("tree", "expected"),
    [
        (LEAF, False),
        ({"kind": "not", "condition": LEAF}, True),
        ({"kind": "event_count", "event": "A", "comparison": "le", "value": 0}, True),
        ({"kind": "event_sum", "event": "A", "property": "x", "comparison": "lt", "value": 0}, False),
        ({"kind": "event_last", "event": "A", "position": "before", "days": 3}, False),
        ({"kind": "value", "of": {"kind": "time_since", "of": {"kind": "moment", "moment": "2026-01-01"}},
          "comparison": "ge", "value": 3}, True),
        ({"kind": "rank", "position": "is", "rank": None, "table": "plain"}, True),
        ({"kind": "identifier", "namespace": "email"}, False),
    ],
)  # fmt: skip
def test_what_a_stranger_fulfils(tree: dict[str, Any], expected: bool) -> None:
    assert holds_for_stranger(expand(CONDITION.validate_python(tree), LIBRARY)) is expected


def test_dependencies_are_the_names_asked_for_also_in_what_it_refers_to() -> None:
    bought = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1,
              "window": {"since": {"event": "Returned", "which": "last"}}}  # fmt: skip
    follows = {"kind": "sequence", "first": {"event": "A"}, "then": {"event": "B"}, "within": {"days": 1}}
    born = {"kind": "anniversary", "of": {"trait": "born"}, "position": "within_next", "days": 7}
    friend = {"relation": "friend", "occasion": "birthday", "purpose": "gift"}
    library = Library(segments={"s": CONDITION.validate_python({"kind": "not", "condition": bought})})
    parts = [LEAF, {"kind": "segment", "segment": "s"}, follows, born, {**born, "of": friend},
             {"kind": "identifier", "namespace": "line"}]  # fmt: skip
    dependencies = dependencies_of(expand(CONDITION.validate_python({"kind": "and", "conditions": parts}), library))
    assert dependencies.events == {"Order Completed", "Returned", "A", "B"}
    assert dependencies.traits == {"plan", "born"}
    assert dependencies.namespaces == {"line"}
    assert dependencies.purposes == {"gift"}
    assert dependencies.asks_beside_events
    assert dependencies.touched_by({"Order Completed"}, set())
    assert not dependencies.touched_by({"Page Viewed"}, {"name"})


def _nested(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = LEAF
    for _ in range(levels - 1):
        tree = {"kind": "not", "condition": tree}
    return tree


def _count(**where: Any) -> dict[str, Any]:
    return {"kind": "event_count", "event": "A", "comparison": "ge", "value": 1, "where": [where]}


def _value(of: dict[str, Any], value: Any = 1) -> dict[str, Any]:
    return {"kind": "value", "of": of, "comparison": "ge", "value": value}


ONE = {"kind": "constant", "value": 1}


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        ({**LEAF, "value": None}, "condition.value"),
        ({**LEAF, "comparison": "exists"}, "condition.value"),
        ({"kind": "and", "conditions": [LEAF, {**LEAF, "comparison": "lt", "value": True}]},
         "condition.conditions.1.comparison"),
        ({"kind": "not", "condition": _count(property="x", comparison="ge", value=False)},
         "condition.condition.where.0.comparison"),
        ({**LEAF, "comparison": "in"}, "condition.value"),
        ({**LEAF, "comparison": "eq", "value": [1]}, "condition.value"),
        ({**LEAF, "comparison": "starts_with", "value": 1}, "condition.value"),
        (_value({"kind": "events", "function": "sum", "event": "A"}), "condition.of.property"),
        (_value({"kind": "events", "function": "count", "event": "A", "property": "x"}), "condition.of.property"),
        (_value({"kind": "trait", "trait": "x", "read_as": "text"}), "condition.value"),
        (_value({"kind": "trait", "trait": "x", "read_as": "moment"}), "condition.value"),
        (_value({"kind": "trait", "trait": "x", "read_as": "number"}, True), "condition.comparison"),
        (_value({"kind": "round_down", "of": {"kind": "constant", "value": "a"}}), "condition.of.of"),
        (_value({"kind": "time_since", "of": {"kind": "constant", "value": 1}}), "condition.of.of"),
        (_value({"kind": "time_since", "of": {"kind": "moment", "moment": "2026-01-01"}}, 10**7), "condition.value"),
        (_value({"kind": "add", "of": [ONE, {"kind": "constant", "value": "a"}]}), "condition.of.of.1"),
        (_value({"kind": "divide", "of": [ONE, ONE, ONE]}), "condition.of.of"),
        (_value({"kind": "case", "cases": [{"condition": {**LEAF, "value": None}, "value": ONE}]}),
         "condition.of.cases.0.condition.value"),
        (_value({"kind": "case", "cases": [{"condition": LEAF, "value": ONE}],
                 "otherwise": {"kind": "constant", "value": "a"}}), "condition.of.otherwise"),
        ({"kind": "value", "of": ONE, "comparison": "eq"}, "condition.value"),
        ({"kind": "value", "of": ONE, "comparison": "eq", "value": 1, "than": ONE}, "condition.than"),
        ({"kind": "value", "of": ONE, "comparison": "eq", "than": {"kind": "constant", "value": "a"}},
         "condition.than"),
        ({"kind": "date", "of": {"trait": "x"}, "position": "before", "days": 3}, "condition.date"),
        ({"kind": "date", "of": {"trait": "x"}, "position": "within_next"}, "condition.days"),
        ({"kind": "event_count", "event": "A", "comparison": "ge", "value": 1,
          "window": {"start": "2026-02-01", "end": "2026-01-01"}}, "condition.window.end"),
        ({"kind": "trait_changed", "trait": "x", "window": {"calendar": "day", "zone": "Mars/Base"}},
         "condition.window.zone"),
        ({"kind": "sequence", "first": {"event": "A"}, "within": {"days": 1},
          "then": {"event": "B", "where": [{"property": "x", "comparison": "lt", "value": True}]}},
         "condition.then.where.0.comparison"),
        (_nested(MAX_LEVELS + 1), "condition" + ".condition" * MAX_LEVELS),
        ({"kind": "or", "conditions": [{"kind": "and", "conditions": [LEAF] * 50}] * (MAX_NODES // 50)}, "condition"),
    ],
)  # fmt: skip
def test_a_refusal_names_the_path_in_the_tree(tree: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        check_condition(CONDITION.validate_python(tree))
    assert caught.value.errors[0][0] == field


def test_the_largest_allowed_tree_is_taken() -> None:
    check_condition(CONDITION.validate_python(_nested(MAX_LEVELS)))
