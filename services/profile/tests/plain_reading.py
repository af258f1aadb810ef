"""The condition language read in plain Python, one customer at a time: what the compiler is held against.

Written from `contracts.conditions` alone, as naively as possible.
"""

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from contracts.conditions import (
    AllOf,
    AnyOf,
    Condition,
    EventCount,
    EventRecency,
    EventSum,
    Not,
    PropertyFilter,
    TraitCondition,
    Window,
)


@dataclass(frozen=True)
class PlainEvent:
    """An event of the customer."""

    name: str
    occurred_at: datetime
    properties: Mapping[str, Any]


@dataclass(frozen=True)
class PlainCustomer:
    """Everything a condition may ask for."""

    events: Sequence[PlainEvent]
    traits: Mapping[str, Any]


def holds(condition: Condition, customer: PlainCustomer, *, now: datetime, currency: str) -> bool:
    """Whether the customer fulfils the condition at `now`."""
    match condition:
        case AllOf(conditions=conditions):
            return all(holds(each, customer, now=now, currency=currency) for each in conditions)
        case AnyOf(conditions=conditions):
            return any(holds(each, customer, now=now, currency=currency) for each in conditions)
        case Not(condition=inner):
            return not holds(inner, customer, now=now, currency=currency)
        case TraitCondition(trait=trait, comparison="exists"):
            return customer.traits.get(trait) is not None
        case TraitCondition(trait=trait, comparison=comparison, value=value):
            return _compares(customer.traits.get(trait), comparison, value)
        case EventCount():
            events = _counted(customer, condition.event, condition.where, condition.window, now=now, currency=currency)
            return _compares(len(events), condition.comparison, condition.value)
        case EventSum():
            events = _counted(customer, condition.event, condition.where, condition.window, now=now, currency=currency)
            numbers = [_number(_property(event, condition.property, currency=currency)) for event in events]
            return _compares(
                sum((n for n in numbers if n is not None), Decimal(0)), condition.comparison, condition.value
            )
        case EventRecency():
            events = _counted(customer, condition.event, condition.where, None, now=now, currency=currency)
            if not events:
                return False
            moments = [event.occurred_at for event in events]
            moment = max(moments) if condition.kind == "event_last" else min(moments)
            is_within = moment > now - timedelta(days=condition.days)
            return is_within if condition.position == "within" else not is_within
    raise AssertionError(condition)


def _counted(
    customer: PlainCustomer,
    name: str,
    where: Sequence[PropertyFilter],
    window: Window | None,
    *,
    now: datetime,
    currency: str,
) -> list[PlainEvent]:
    return [
        event
        for event in customer.events
        if event.name == name
        and event.occurred_at <= now
        and (window is None or event.occurred_at > now - timedelta(days=window.days))
        and all(
            _compares(_property(event, each.property, currency=currency), each.comparison, each.value) for each in where
        )
    ]


def _property(event: PlainEvent, name: str, *, currency: str) -> Any:
    value = event.properties.get(name)
    is_foreign = event.properties.get("currency", currency) != currency
    if name == "revenue" and _number(value) is not None and is_foreign:
        return None
    return value


def _number(value: Any) -> Decimal | None:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return Decimal(str(value)) if is_number else None


def _compares(value: Any, comparison: str, other: Any) -> bool:
    compare = getattr(operator, comparison)
    if _number(value) is not None and _number(other) is not None:
        return bool(compare(_number(value), _number(other)))
    if type(value) is type(other) and isinstance(value, str | bool):
        return bool(compare(value, other))
    return False
