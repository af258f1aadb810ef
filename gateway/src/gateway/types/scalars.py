"""Scalars that pass the services' own text through: nothing is parsed and formatted again on the way."""

from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

DateTime = NewType("DateTime", str)
Date = NewType("Date", str)
Money = NewType("Money", str)
Json = NewType("Json", object)
BigInt = NewType("BigInt", int)


def _as_is(value: Any) -> Any:  # Any: JSON
    return value


SCALARS: dict[object, ScalarDefinition] = {
    DateTime: strawberry.scalar(
        name="DateTime", description="An instant, ISO 8601 with its offset.", serialize=_as_is, parse_value=str
    ),
    Date: strawberry.scalar(name="Date", description="A calendar day, ISO 8601.", serialize=_as_is, parse_value=str),
    Money: strawberry.scalar(
        name="Decimal",
        description="A decimal number, written as text so that no digit is lost.",
        serialize=str,
        parse_value=str,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number that may pass 2^31, e.g. of bytes.",
        serialize=_as_is,
        parse_value=int,
    ),
    Json: strawberry.scalar(name="JSON", description="Any JSON value.", serialize=_as_is, parse_value=_as_is),
}
