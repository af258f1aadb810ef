"""Ranks as they are written and read."""

from decimal import Decimal
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from contracts.conditions import Condition, Number, Value
from profile_service.schemas.fields import Title
from servicekit.http import Answer, Body, Key


class RankBody(Body):
    """A rank and what it takes: a condition, or the threshold that the table's measure reaches."""

    key: Key
    name: Title
    condition: Condition | None = None
    threshold: Number | None = None

    @model_validator(mode="after")
    def _takes_one_thing(self) -> Self:
        if (self.condition is None) == (self.threshold is None):
            raise ValueError("a rank takes a `condition` or a `threshold`, one of the two")
        return self

    @property
    def takes(self) -> Condition | Decimal:
        """The condition or the threshold."""
        if self.condition is not None:
            return self.condition
        return Decimal(self.threshold or 0)


class RanksBody(Body):
    """The ranks, lowest first; `measure` is the Value that thresholds are compared with, points say."""

    ranks: Annotated[list[RankBody], Field(min_length=1, max_length=30)]
    measure: Value | None = None


class RankAnswer(Answer):
    """A rank and how many customers hold it."""

    key: str
    name: str
    condition: dict[str, Any] | None
    threshold: Decimal | None
    size: int


class RanksAnswer(Answer):
    """The ranks, lowest first; version 0: none yet."""

    ranks: list[RankAnswer]
    measure: dict[str, Any] | None
    version: int
