"""Property filters read in plain Python, with the meaning profile's compiler gives them."""

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from contracts.conditions import PropertyFilter

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {  # Any: both sides are of one kind by then
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
}


def matches(filters: Sequence[PropertyFilter], properties: Mapping[str, object]) -> bool:
    """Whether every filter holds. A missing property compares false, also with `ne`; so does one of another kind."""
    return all(_matches_one(one, properties.get(one.property)) for one in filters)


def _matches_one(wanted: PropertyFilter, actual: object) -> bool:
    compare = _COMPARISONS[wanted.comparison]
    if isinstance(wanted.value, bool) or isinstance(actual, bool):
        return isinstance(wanted.value, bool) and isinstance(actual, bool) and compare(actual, wanted.value)
    if isinstance(wanted.value, str):
        return isinstance(actual, str) and compare(actual, wanted.value)
    number = _number(actual)
    return number is not None and compare(number, Decimal(wanted.value))


def _number(value: object) -> Decimal | None:
    if not isinstance(value, int | float | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
