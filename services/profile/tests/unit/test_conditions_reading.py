"""What is read from a condition without a database."""

from typing import Any

import pytest
from hypothesis import given
from services.profile.tests.plain_reading import PlainCustomer, holds
from services.profile.tests.random_conditions import CURRENCY, NOW, trees

from profile_service.conditions import check_condition, dependencies_of, holds_for_stranger
from profile_service.conditions.checking import MAX_LEVELS, MAX_NODES
from profile_service.repository.conclusions import CONDITION
from servicekit.errors import Invalid

LEAF = {"kind": "trait", "trait": "plan", "comparison": "eq", "value": "gold"}


@given(tree=trees)
def test_a_stranger_is_judged_like_somebody_without_anything(tree: dict[str, Any]) -> None:
    condition = CONDITION.validate_python(tree)
    nobody = PlainCustomer([], {})
    assert holds_for_stranger(condition) == holds(condition, nobody, now=NOW, currency=CURRENCY)


def test_dependencies_are_the_names_asked_for() -> None:
    bought = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
    tree = {"kind": "and", "conditions": [LEAF, {"kind": "not", "condition": bought}]}
    dependencies = dependencies_of(CONDITION.validate_python(tree))
    assert dependencies.events == {"Order Completed"}
    assert dependencies.traits == {"plan"}
    assert dependencies.touched_by({"Order Completed"}, set())
    assert not dependencies.touched_by({"Page Viewed"}, {"name"})


def _nested(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = LEAF
    for _ in range(levels - 1):
        tree = {"kind": "not", "condition": tree}
    return tree


def _count(**where: Any) -> dict[str, Any]:
    return {"kind": "event_count", "event": "A", "comparison": "ge", "value": 1, "where": [where]}


@pytest.mark.parametrize(
    ("tree", "field"),
    [
        ({**LEAF, "value": None}, "condition.value"),
        ({**LEAF, "comparison": "exists"}, "condition.value"),
        ({"kind": "and", "conditions": [LEAF, {**LEAF, "comparison": "lt", "value": True}]},
         "condition.conditions.1.comparison"),
        ({"kind": "not", "condition": _count(property="x", comparison="ge", value=False)},
         "condition.condition.where.0.comparison"),
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
