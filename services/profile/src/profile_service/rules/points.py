"""Points from history: rules as people say them, and the Value they are."""

from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from contracts.conditions import CalendarWindow, Filters, Name, Number, Window

Positive = Annotated[Number, Field(gt=0)]


class PointsRule(BaseModel):
    """`points` for each such event, or for each `per` of its numeric property `amount_of` added up over the window.

    `valid`: which events still count: of the last so many `days`, or of a calendar period; a list is for the best of
    several (a year's points that also hold in the next one). All without it. `rounding` is of the rule's sum.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    event: Name
    where: Filters = []
    points: Positive = Decimal(1)
    amount_of: Name | None = None
    per: Positive | None = None
    rounding: Literal["down", "none"] = "down"
    valid: Annotated[list[Window | CalendarWindow], Field(min_length=1, max_length=5)] | None = None

    @model_validator(mode="after")
    def _amount_is_whole(self) -> Self:
        if (self.amount_of is None) != (self.per is None):
            raise ValueError("`amount_of` and `per` go together")
        return self


class PointsRules(BaseModel):
    """Points add up over all rules."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: Annotated[list[PointsRule], Field(min_length=1, max_length=10)]


def points_value(points: PointsRules) -> dict[str, Any]:
    """The Value that these rules are, as JSON."""
    values = [_rule_value(rule) for rule in points.rules]
    return values[0] if len(values) == 1 else {"kind": "add", "of": values}


def _rule_value(rule: PointsRule) -> dict[str, Any]:
    windows = [None] if rule.valid is None else [each.model_dump(mode="json", exclude_none=True) for each in rule.valid]
    sums = [_in_window(rule, window) for window in windows]
    return sums[0] if len(sums) == 1 else {"kind": "greatest", "of": sums}


def _in_window(rule: PointsRule, window: dict[str, Any] | None) -> dict[str, Any]:
    number = rule.model_dump(mode="json")
    counted: dict[str, Any] = {
        "kind": "events",
        "function": "count" if rule.amount_of is None else "sum",
        "event": rule.event,
        "where": number["where"],
    }
    if rule.amount_of is not None:
        counted["property"] = rule.amount_of
    if window is not None:
        counted["window"] = window
    if rule.per is not None and rule.per != 1:
        counted = {"kind": "divide", "of": [counted, {"kind": "constant", "value": number["per"]}]}
    if rule.rounding == "down" and rule.per is not None:
        counted = {"kind": "round_down", "of": counted}
    if rule.points == 1:
        return counted
    return {"kind": "multiply", "of": [counted, {"kind": "constant", "value": number["points"]}]}
