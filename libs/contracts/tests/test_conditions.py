"""The condition language survives its way through JSON unchanged."""

from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from contracts.conditions import Condition

CONDITION: TypeAdapter[Any] = TypeAdapter(Condition)


def _trait(value: Any) -> dict[str, Any]:
    return {"kind": "trait", "trait": "points", "comparison": "ge", "value": value}


@pytest.mark.parametrize(
    ("value", "kind"),
    [(True, bool), (5, int), (1.0, Decimal), (0.1, Decimal), (123456789012.345, Decimal), ("5", str), (-3, int)],
)
def test_a_value_keeps_its_type_and_itself_through_json(value: Any, kind: type) -> None:
    condition = CONDITION.validate_python(_trait(value))
    again = CONDITION.validate_json(CONDITION.dump_json(condition))
    assert type(condition.value) is kind
    assert again == condition
    assert type(again.value) is kind


@pytest.mark.parametrize("value", ["a\0b", "x" * 1001, 10**16, 1e300, float("nan"), [], [[1]], {"a": 1}])
def test_a_value_no_database_could_compare_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        CONDITION.validate_python(_trait(value))


def test_an_error_names_the_place_in_the_tree() -> None:
    bad = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": -1}
    with pytest.raises(ValidationError) as caught:
        CONDITION.validate_python({"kind": "and", "conditions": [_trait(1), bad]})
    assert caught.value.errors()[0]["loc"] == ("and", "conditions", 1, "event_count", "value")


BOUGHT = {"event": "Order Completed"}


@pytest.mark.parametrize(
    "window",
    [
        {"days": 30},
        {"hours": 12},
        {"start": "2026-01-01"},
        {"start": "2026-01-01T09:00:00+09:00", "end": "2026-02-01T00:00:00Z"},
        {"calendar": "quarter", "offset": -1, "zone": "Europe/Berlin"},
        {"since": {**BOUGHT, "which": "first", "where": [{"property": "size", "comparison": "exists"}]}},
    ],
)
def test_a_window_is_told_by_what_it_says(window: dict[str, Any]) -> None:
    tree = {"kind": "event_count", "event": "A", "comparison": "ge", "value": 1, "window": window}
    condition = CONDITION.validate_python(tree)
    assert CONDITION.validate_json(CONDITION.dump_json(condition)) == condition
    dumped = condition.window.model_dump(mode="json", exclude_unset=True)
    assert dumped == window


@pytest.mark.parametrize(
    ("window", "place"),
    [
        ({}, ()),
        ({"days": 0}, ("last_days", "days")),
        ({"start": "2026-02-30"}, ("between", "start")),
        ({"start": "0001-01-01"}, ("between", "start")),
        ({"calendar": "month", "offset": 1}, ("calendar_period", "offset")),
        ({"since": {"event": ""}}, ("since_event", "since", "event")),
        ({"days": 3, "hours": 3}, ("last_days", "hours")),
    ],
)
def test_a_window_that_is_none_is_refused_where_it_stands(window: dict[str, Any], place: tuple[str, ...]) -> None:
    tree = {"kind": "event_count", "event": "A", "comparison": "ge", "value": 1, "window": window}
    with pytest.raises(ValidationError) as caught:
        CONDITION.validate_python(tree)
    assert caught.value.errors()[0]["loc"] == ("event_count", "window", *place)


@pytest.mark.parametrize(
    ("comparison", "value"), [("exists", 1), ("eq", None), ("in", 1), ("eq", [1]), ("in", []), ("contains_any", [1])]
)
def test_a_filter_takes_what_its_comparison_asks_for(comparison: str, value: Any) -> None:
    where = [{"property": "a", "comparison": comparison, "value": value}]
    with pytest.raises(ValidationError):
        CONDITION.validate_python({"kind": "event_count", "event": "A", "comparison": "ge", "value": 1, "where": where})


def test_values_and_conditions_hold_each_other() -> None:
    case = {"condition": _trait(1), "value": {"kind": "constant", "value": "gold"}}
    value = {"kind": "case", "cases": [case], "otherwise": {"kind": "trait", "trait": "plan", "read_as": "text"}}
    condition = CONDITION.validate_python({"kind": "value", "of": value, "comparison": "eq", "value": "gold"})
    assert CONDITION.validate_json(CONDITION.dump_json(condition)) == condition
