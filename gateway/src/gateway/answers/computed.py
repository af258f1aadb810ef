"""What profile answers on what is computed: ranks, lifecycle, computed traits, next categories."""

from __future__ import annotations

from msgspec import Raw, Struct, field

from gateway.answers.money import Money


class RankDefinitionRow(Struct):
    """A rank and what it takes."""

    key: str
    name: str
    size: int
    condition: Raw = field(default_factory=lambda: Raw(b"null"))
    threshold: Money | None = None


class RanksAnswer(Struct):
    """GET /v1/ranks/default: lowest first."""

    ranks: list[RankDefinitionRow]
    version: int
    measure: Raw = field(default_factory=lambda: Raw(b"null"))


class LifecycleStateRow(Struct):
    """A state and its condition."""

    key: str
    condition: Raw


class LifecycleAnswer(Struct):
    """GET /v1/lifecycle"""

    definition: Raw
    states: list[LifecycleStateRow]
    version: int


class ComputedTraitRow(Struct):
    """A computed trait."""

    key: str
    name: str
    version: int
    updated_at: str
    value: Raw
    description: str | None = None
    unit: str | None = None
    points: Raw = field(default_factory=lambda: Raw(b"null"))


class ComputedTraitListAnswer(Struct):
    """GET /v1/computed-traits"""

    items: list[ComputedTraitRow]
    withheld: bool = False


class ComputedTraitPresetRow(Struct):
    """A computed trait ready to be put."""

    key: str
    name: str
    description: str
    value: Raw
    source: str
    unit: str | None = None


class ComputedTraitPresetListAnswer(Struct):
    """GET /v1/computed-traits:presets"""

    items: list[ComputedTraitPresetRow]
