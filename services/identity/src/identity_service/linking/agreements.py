"""How the fields of two records compare, for the person who reviews the pair."""

from collections.abc import Mapping

from identity_service.linking.comparisons import MISSING, Trait
from identity_service.linking.preparation import Row
from identity_service.linking.results import FieldAgreement


def field_agreements(
    row: Row, other: Row, *, traits: tuple[Trait, ...], levels: Mapping[str, int], weights: Mapping[str, float]
) -> tuple[FieldAgreement, ...]:
    """One entry a trait. `levels` are Splink's numbers: -1 for missing, else counted down from the strongest to 0."""
    return tuple(
        FieldAgreement(
            field=trait.name,
            value=_shown(row, trait),
            other_value=_shown(other, trait),
            agreement=_label(trait, levels.get(trait.name, -1)),
            weight=round(weights.get(trait.name, 0.0), 2),
        )
        for trait in traits
    )


def _label(trait: Trait, level: int) -> str:
    return MISSING if level < 0 else trait.labels()[len(trait.levels) - level]


def _shown(row: Row, trait: Trait) -> str | None:
    """The fields of the trait side by side; a full name stands in for a surname that is not told apart."""
    return " ".join(value for name in trait.fields if (value := row[name])) or None
