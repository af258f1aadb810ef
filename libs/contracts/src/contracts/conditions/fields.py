"""What the nodes of the language are made of: comparisons, numbers, texts, days, moments, matched events."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainSerializer,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)

Comparison = Literal["eq", "ne", "lt", "le", "gt", "ge"]
FilterComparison = Comparison | Literal["exists", "contains", "starts_with", "in"]
TraitComparison = Comparison | Literal["exists", "contains", "starts_with", "in", "contains_any"]
Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]


def _json_number(value: Decimal) -> int | float:
    """Exact: 15 significant digits survive a double. As a string, the number would be read back as text."""
    return int(value) if value == value.to_integral_value() else float(value)


Number = Annotated[Decimal, Field(max_digits=15), PlainSerializer(_json_number, return_type=float, when_used="json")]
Text = Annotated[str, StringConstraints(strict=True, max_length=1000, pattern=r"^[^\x00]*$")]
Integer = Annotated[StrictInt, Field(ge=-(10**15), le=10**15)]
Scalar = Text | StrictBool | Integer | Number
Scalars = Annotated[list[Scalar], Field(min_length=1, max_length=1000)]
"""What `in` and `contains_any` take."""

_DATE = r"^\d{4}-\d{2}-\d{2}$"
_MOMENT = r"^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2}))?$"


def _a_date(text: str) -> str:
    _in_range(date.fromisoformat(text).year)
    return text


def _a_moment(text: str) -> str:
    _in_range(date.fromisoformat(text).year if re.match(_DATE, text) else datetime.fromisoformat(text).year)
    return text


def _in_range(year: int) -> None:
    if not 1000 <= year <= 3000:
        raise ValueError("the year lies outside 1000 to 3000")


Date = Annotated[str, StringConstraints(pattern=_DATE), AfterValidator(_a_date)]
"""YYYY-MM-DD, a day of the customer's zone."""
Moment = Annotated[str, StringConstraints(pattern=_MOMENT), AfterValidator(_a_moment)]
"""An ISO 8601 date-time with its offset, or a date: the midnight it begins with in the customer's zone."""
Days = Annotated[int, Field(ge=1, le=3660)]


class Node(BaseModel):
    """What every node is: it never changes, and says nothing that the language does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def told_apart(**tags: str) -> Discriminator:
    """Tell the members of a union apart by a key that only one of them has: `key="tag"`. No tag is a key."""

    def tag(value: object) -> str | None:
        has = value.__contains__ if isinstance(value, Mapping) else partial(hasattr, value)
        return next((tags[key] for key in tags if has(key)), None)

    keys = ", ".join(f"`{key}`" for key in tags)
    return Discriminator(tag, custom_error_type="no_such_kind", custom_error_message=f"One of {keys} must be said")


class PropertyFilter(Node):
    """An event counts only when its property compares so.

    `exists` takes no value and `in` a list; `contains` and `starts_with` take text, `contains` also what a list holds.
    """

    property: Name
    comparison: FilterComparison
    value: Scalar | Scalars | None = None

    @model_validator(mode="after")
    def _value_fits(self) -> Self:
        if (self.comparison == "exists") != (self.value is None):
            raise ValueError("`exists` takes no value, every other comparison needs one")
        if (self.comparison == "in") != isinstance(self.value, list):
            raise ValueError("`in` takes a list, no other comparison does")
        return self


Filters = Annotated[list[PropertyFilter], Field(max_length=10)]


class EventMatch(Node):
    """Events of that name that fulfil every filter."""

    event: Name
    where: Filters = []


class WhichEvent(EventMatch):
    """The first or the last of such events."""

    which: Literal["first", "last"] = "last"
