"""Computed traits as they are written and read."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import StringConstraints

from contracts.conditions import Value
from profile_service.rules.points import PointsRules
from profile_service.schemas.fields import Description, Title, Withheld
from servicekit.http import Answer, Body

Unit = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\x00]*$")]


class ComputedTraitBody(Body):
    """A Value of the condition language, or rules for points that make one."""

    name: Title
    description: Description | None = None
    unit: Unit | None = None
    value: Value | None = None
    points: PointsRules | None = None


class ComputedTraitAnswer(Answer):
    """A computed trait; `value` is what is computed, also where `points` made it. `version` is the ETag."""

    key: str
    name: str
    description: str | None
    unit: str | None
    value: dict[str, Any]
    points: dict[str, Any] | None
    version: int
    updated_at: datetime


class ComputedTraitListAnswer(Answer):
    """By key."""

    items: list[ComputedTraitAnswer]
    withheld: Withheld


class PresetAnswer(Answer):
    """A computed trait ready to be put under its key; `source` says where the formula is from."""

    key: str
    name: str
    description: str
    unit: str | None
    value: dict[str, Any]
    source: str


class PresetListAnswer(Answer):
    """All presets."""

    items: list[PresetAnswer]
