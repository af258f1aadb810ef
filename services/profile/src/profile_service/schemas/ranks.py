"""Ranks as they are written and read."""

from typing import Annotated, Any

from pydantic import Field

from contracts.conditions import Condition
from profile_service.schemas.fields import Title
from servicekit.http import Answer, Body, Key


class RankBody(Body):
    """A rank and what it takes."""

    key: Key
    name: Title
    condition: Condition


class RanksBody(Body):
    """The ranks, lowest first."""

    ranks: Annotated[list[RankBody], Field(min_length=1, max_length=30)]


class RankAnswer(Answer):
    """A rank and how many customers hold it."""

    key: str
    name: str
    condition: dict[str, Any]
    size: int


class RanksAnswer(Answer):
    """The ranks, lowest first; version 0: none yet."""

    ranks: list[RankAnswer]
    version: int
