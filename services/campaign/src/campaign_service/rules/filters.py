"""Property filters read in plain Python, with the meaning profile's compiler gives them."""

import operator
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any

from contracts.conditions import PropertyFilter, Scalar

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
    if wanted.value is None:
        return actual is not None  # `exists`
    if isinstance(wanted.value, list):
        return any(_compares("eq", actual, each) for each in wanted.value)  # `in`
    if wanted.comparison == "contains" and isinstance(actual, list):
        return any(_compares("eq", each, wanted.value) for each in actual)
    if wanted.comparison == "contains":
        return isinstance(wanted.value, str) and isinstance(actual, str) and wanted.value in actual
    if wanted.comparison == "starts_with":
        return isinstance(wanted.value, str) and isinstance(actual, str) and actual.startswith(wanted.value)
    return _compares(wanted.comparison, actual, wanted.value)


def _compares(comparison: str, actual: object, wanted: Scalar) -> bool:
    compare = _COMPARISONS[comparison]
    if isinstance(wanted, bool) or isinstance(actual, bool):
        return isinstance(wanted, bool) and isinstance(actual, bool) and compare(actual, wanted)
    if isinstance(wanted, str):
        return isinstance(actual, str) and compare(actual, wanted)
    number = _number(actual)
    return number is not None and compare(number, Decimal(wanted))


def _number(value: object) -> Decimal | None:
    if not isinstance(value, int | float | Decimal):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None
