"""Recency, frequency, monetary: what they are measured by, and the score that cut points give.

Source: Hughes, Strategic Database Marketing (1994): fifths of the buyers, 5 the best, each measure by itself.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from contracts.conditions import AnyWindow, Filters, Name, Value

Measure = Literal["recency", "frequency", "monetary"]
MEASURES: tuple[Measure, ...] = ("recency", "frequency", "monetary")
_VALUE: TypeAdapter[Value] = TypeAdapter(Value)
_FIFTHS = (20, 40, 60, 80)


class Rfm(BaseModel):
    """Which events are purchases, in which window, and which property is the amount."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: Name = "Order Completed"
    property: Name = "revenue"
    where: Filters = []
    window: AnyWindow | None = None


DEFAULT = Rfm()


def rfm_values(rfm: Rfm) -> dict[Measure, Value]:
    """The three measures, greater being better; missing for whoever did not buy."""
    events = rfm.model_dump(mode="json", exclude={"property"}, exclude_none=True) | {"kind": "events"}

    def of_buyers(value: dict[str, Any]) -> dict[str, Any]:
        bought = {"kind": "value", "of": {**events, "function": "count"}, "comparison": "ge", "value": 1}
        return {"kind": "case", "cases": [{"condition": bought, "value": value}]}

    trees: dict[Measure, dict[str, Any]] = {
        "recency": {**events, "function": "last"},
        "frequency": of_buyers({**events, "function": "count"}),
        "monetary": of_buyers({**events, "function": "sum", "property": rfm.property}),
    }
    return {measure: _VALUE.validate_python(tree) for measure, tree in trees.items()}


def score(value: Any, cuts: Mapping[int, Any]) -> int:  # Any: numbers with numbers, moments with moments
    """1 to 5: one more for each fifth of the buyers that the value has reached the end of."""
    return 1 + sum(percent in cuts and bool(value >= cuts[percent]) for percent in _FIFTHS)
