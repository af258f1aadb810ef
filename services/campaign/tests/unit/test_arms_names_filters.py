"""Draws, derived names and property filters."""

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_service.rules.arms import draw_arm
from campaign_service.rules.filters import matches
from campaign_service.rules.names import coupon_code, effect_id, run_id, same_code
from contracts.conditions import PropertyFilter


@given(st.uuids(), st.text(min_size=1, max_size=64), st.floats(min_value=0, max_value=100))
def test_the_draw_is_repeatable_and_grows_with_the_share(customer: UUID, salt: str, percent: float) -> None:
    arm = draw_arm(customer, salt, percent)
    assert arm == draw_arm(customer, salt, percent)
    assert draw_arm(customer, salt, 0) == "treatment"
    assert draw_arm(customer, salt, 100) == "holdout"
    assert arm == "treatment" or draw_arm(customer, salt, min(100.0, percent + 1)) == "holdout"


def test_a_fifth_is_held_out_independently_per_salt() -> None:
    customers = [UUID(int=number) for number in range(20_000)]
    first = {customer for customer in customers if draw_arm(customer, "spring", 20) == "holdout"}
    second = {customer for customer in customers if draw_arm(customer, "autumn", 20) == "holdout"}
    assert len(first) == pytest.approx(4000, abs=250)  # 4.4 standard deviations
    assert len(first & second) == pytest.approx(800, abs=130)


def test_names_are_the_same_again_and_differ_by_every_part() -> None:
    customer, other = uuid4(), uuid4()
    run = run_id("dormant", customer, "event")
    assert run == run_id("dormant", customer, "event")
    assert len({run, run_id("dormant", other, "event"), run_id("spring", customer, "event")}) == 3
    assert len({effect_id(run, "offer", 0), effect_id(run, "offer", 1), effect_id(run, "ask", 0)}) == 3


@given(st.uuids(), st.binary(min_size=16, max_size=64))
def test_a_coupon_code_is_readable_and_keyed(effect: UUID, secret: bytes) -> None:
    code = coupon_code("SPRING", effect, secret)
    assert code == coupon_code("SPRING", effect, secret) != coupon_code("SPRING", effect, secret + b"x")
    assert same_code(f" {code.lower()}\n") == code
    assert not set(code.removeprefix("SPRING-")) & set("ILOU")
    assert len(code) == len("SPRING-") + 12


@pytest.mark.parametrize(
    ("comparison", "value", "properties", "expected"),
    [
        ("eq", "JPY", {"currency": "JPY"}, True),
        ("ne", "JPY", {"currency": "USD"}, True),
        ("ne", "JPY", {}, False),
        ("ge", 100, {"currency": 100.0}, True),
        ("gt", Decimal("0.1"), {"currency": 0.1}, False),
        ("lt", 5, {"currency": "4"}, False),
        ("eq", True, {"currency": True}, True),
        ("eq", 1, {"currency": True}, False),
        ("eq", 1, {"currency": float("nan")}, False),
        ("eq", "x", {"currency": ["x"]}, False),
        ("eq", "x", {"currency": None}, False),
    ],
)
def test_filters_compare_like_with_like(
    comparison: Any, value: Any, properties: dict[str, Any], expected: bool
) -> None:
    wanted = PropertyFilter(property="currency", comparison=comparison, value=value)
    assert matches([wanted], properties) is expected


@pytest.mark.parametrize(
    ("comparison", "value", "actual", "expected"),
    [
        ("exists", None, 0, True),
        ("exists", None, None, False),
        ("in", ["JPY", 5], "JPY", True),
        ("in", ["JPY", 5], 5.0, True),
        ("in", ["JPY", 5], True, False),
        ("contains", "PY", "JPY", True),
        ("contains", "JPY", ["USD", "JPY"], True),
        ("contains", 1, ["1", True], False),
        ("contains", 1, "1", False),
        ("starts_with", "JP", "JPY", True),
        ("starts_with", "PY", "JPY", False),
        ("starts_with", "5", 5, False),
    ],
)
def test_filters_look_into_texts_and_lists(comparison: Any, value: Any, actual: Any, expected: bool) -> None:
    wanted = PropertyFilter(property="currency", comparison=comparison, value=value)
    assert matches([wanted], {"currency": actual}) is expected


def test_every_filter_must_hold() -> None:
    one = PropertyFilter(property="a", comparison="eq", value=1)
    two = PropertyFilter(property="b", comparison="eq", value=2)
    assert matches([], {})
    assert matches([one, two], {"a": 1, "b": 2})
    assert not matches([one, two], {"a": 1, "b": 3})
