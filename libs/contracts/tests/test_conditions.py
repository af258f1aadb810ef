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


@pytest.mark.parametrize("value", ["a\0b", "x" * 1001, 10**16, 1e300, float("nan"), [1], {"a": 1}])
def test_a_value_no_database_could_compare_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        CONDITION.validate_python(_trait(value))


def test_an_error_names_the_place_in_the_tree() -> None:
    bad = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": -1}
    with pytest.raises(ValidationError) as caught:
        CONDITION.validate_python({"kind": "and", "conditions": [_trait(1), bad]})
    assert caught.value.errors()[0]["loc"] == ("and", "conditions", 1, "event_count", "value")
