"""The lifecycle: a customer's state follows from when purchases were, by thresholds kept as data.

One state at any moment: the first of STATES' conditions that holds. docs/values.md draws the machine.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationInfo, field_validator

from contracts.conditions import Condition, Days, Filters, Name

State = Literal["won_back", "dormant", "going_dormant", "loyal", "active", "second_purchase_due", "new"]
STATES: tuple[State, ...] = get_args(State)
_CONDITION: TypeAdapter[Condition] = TypeAdapter(Condition)


class Lifecycle(BaseModel):
    """What counts as a purchase, and after how many days of 24 hours which state begins."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    event: Name = "Order Completed"
    where: Filters = []
    second_purchase_due_days: Days = 14
    """Bought once, so long ago: the second purchase is due."""
    going_dormant_days: Days = 120
    """The last purchase lies so far back."""
    dormant_days: Days = 240
    won_back_days: Days = 60
    """Bought again after `dormant_days` without: won back, for so long since."""
    loyal_purchases: Annotated[int, Field(ge=2, le=1000)] = 4
    """So many purchases within the last `loyal_window_days`."""
    loyal_window_days: Days = 365

    @field_validator("going_dormant_days", "dormant_days")
    @classmethod
    def _in_order(cls, days: int, info: ValidationInfo) -> int:
        if days <= max(info.data.get(each, 0) for each in ("second_purchase_due_days", "going_dormant_days")):
            raise ValueError("`second_purchase_due_days` < `going_dormant_days` < `dormant_days` must hold")
        return days

    @field_validator("won_back_days")
    @classmethod
    def _ends_before_the_next_begins(cls, days: int, info: ValidationInfo) -> int:
        if days > info.data.get("going_dormant_days", days):
            raise ValueError("`won_back_days` is at most `going_dormant_days`")
        return days


DEFAULT = Lifecycle()


def lifecycle_conditions(lifecycle: Lifecycle) -> tuple[tuple[str, Condition], ...]:
    """Each state with its condition; the first that holds is the customer's, and the last one holds of everybody."""
    where = [each.model_dump(mode="json") for each in lifecycle.where]
    bought = {"event": lifecycle.event, "where": where}

    def last_before(days: int) -> dict[str, Any]:
        return {"kind": "event_last", **bought, "position": "before", "days": days}

    def at_least(count: int, **window: Any) -> dict[str, Any]:
        return {"kind": "event_count", **bought, "comparison": "ge", "value": count, **window}

    gap = {"kind": "events", "function": "gap", **bought}
    returned = {"kind": "value", "of": gap, "comparison": "ge", "value": lifecycle.dormant_days}
    recently = {"kind": "event_last", **bought, "position": "within", "days": lifecycle.won_back_days}
    trees: dict[State, dict[str, Any]] = {
        "won_back": {"kind": "and", "conditions": [returned, recently]},
        "dormant": last_before(lifecycle.dormant_days),
        "going_dormant": last_before(lifecycle.going_dormant_days),
        "loyal": at_least(lifecycle.loyal_purchases, window={"days": lifecycle.loyal_window_days}),
        "active": at_least(2),
        "second_purchase_due": last_before(lifecycle.second_purchase_due_days),
        "new": at_least(0),
    }
    return tuple((state, _CONDITION.validate_python(trees[state])) for state in STATES)
