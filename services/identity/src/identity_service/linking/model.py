"""The model: m and u of every level, the prior, what households share; as JSON for the next run, and as settings of
Splink.

Fellegi, Sunter: A Theory for Record Linkage (1969). m is the share of pairs of one person that reach a level, u that
of pairs of two persons; log2(m / u) is the level's weight in bits.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from identity_service.linking.comparisons import DIFFERENT, MISSING, Trait
from identity_service.linking.households import Households

VERSION = 1
_LEAST_REST = 0.001


@dataclass(frozen=True)
class Probabilities:
    """m and u of one level."""

    m: float
    u: float


@dataclass(frozen=True)
class Model:
    """What a run applies: by trait and level."""

    prior: float
    """The probability that two random records are one person."""
    levels: Mapping[str, Mapping[str, Probabilities]]
    households: Households
    is_trained: bool = False

    def to_json(self) -> dict[str, Any]:
        """The model as JSON; the inverse of `from_json`."""
        return {
            "version": VERSION,
            "is_trained": self.is_trained,
            "prior": self.prior,
            "levels": {
                trait: {label: [each.m, each.u] for label, each in levels.items()}
                for trait, levels in self.levels.items()
            },
            "households": self.households.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Model":
        """Read a model that `to_json` wrote. Raises ValueError when another version wrote it."""
        if stored.get("version") != VERSION:
            raise ValueError(
                f"the stored model has version {stored.get('version')}, this one reads {VERSION}: train again"
            )
        return cls(
            prior=stored["prior"],
            levels={
                trait: {label: Probabilities(m, u) for label, (m, u) in levels.items()}
                for trait, levels in stored["levels"].items()
            },
            households=Households.from_json(stored["households"]),
            is_trained=stored["is_trained"],
        )


def starting_model(traits: tuple[Trait, ...], *, records: int) -> Model:
    """The model before training: every record has about half a partner somewhere."""
    return Model(
        prior=1 / max(records, 100),
        levels={trait.name: _starting_levels(trait) for trait in traits},
        households=Households.starting(traits),
    )


def _starting_levels(trait: Trait) -> dict[str, Probabilities]:
    levels = {level.label: Probabilities(level.m, level.u) for level in trait.levels}
    rest = Probabilities(
        m=max(1 - sum(level.m for level in trait.levels), _LEAST_REST),
        u=max(1 - sum(level.u for level in trait.levels), _LEAST_REST),
    )
    return {**levels, DIFFERENT: rest}


def splink_settings(
    model: Model, traits: tuple[Trait, ...], *, rules: list[Any], dialect: Literal["duckdb", "spark"]
) -> dict[str, Any]:
    """The model as Splink's settings, in the dialect of the engine."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "record_number",
        "probability_two_random_records_match": model.prior,
        "comparisons": [_splink_comparison(trait, model.levels[trait.name], dialect) for trait in traits],
        "blocking_rules_to_generate_predictions": rules,
        "retain_matching_columns": True,  # the levels reached come with them
        "retain_intermediate_calculation_columns": True,
        "additional_columns_to_retain": ["customer_number"],
    }


def _splink_comparison(trait: Trait, levels: Mapping[str, Probabilities], dialect: str) -> dict[str, Any]:
    missing = {"sql_condition": trait.missing, "label_for_charts": MISSING, "is_null_level": True}
    described = [
        {
            "sql_condition": _in_dialect(level.condition, dialect),
            "label_for_charts": level.label,
            "m_probability": levels[level.label].m,
            "u_probability": levels[level.label].u,
            **_frequency_weight(level.frequency_of),
        }
        for level in trait.levels
    ]
    rest = {
        "sql_condition": "ELSE",
        "label_for_charts": DIFFERENT,
        "m_probability": levels[DIFFERENT].m,
        "u_probability": levels[DIFFERENT].u,
    }
    return {"output_column_name": trait.name, "comparison_levels": [missing, *described, rest]}


def _frequency_weight(column: str | None) -> dict[str, Any]:
    """The value's own frequency takes the place of the level's u."""
    return {"tf_adjustment_column": column, "disable_tf_exact_match_detection": True} if column else {}


def _in_dialect(condition: str, dialect: str) -> str:
    return condition.replace("jaro_winkler(", "jaro_winkler_similarity(") if dialect == "duckdb" else condition
