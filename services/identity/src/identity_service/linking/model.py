"""The trained model: m and u of every level, the prior, what households share. Splink trains and applies it; this says what with.

Fellegi, Sunter: A Theory for Record Linkage (1969). m is the share of pairs of one person that reach a level, u that of pairs of two
persons; log2(m / u) is the level's weight. u is estimated from random pairs, m by expectation maximisation over two blocks, so that
every trait is free in at least one of them (Splink's documentation, "Training").
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from identity_service.linking.comparisons import DIFFERENT, FREQUENCY_COLUMNS, MISSING, Trait
from identity_service.linking.households import Households

if TYPE_CHECKING:
    from splink import Linker

VERSION = 1
FEWEST_RECORDS_TO_TRAIN = 1000
"""Below, chance rules the estimates and the starting values are better."""
U_PAIRS = 1_000_000
EM_PAIRS = 1_000_000
RECALL_OF_EXACT_RULES = 0.6
"""How many of the pairs of one person agree exactly on both names and the birth date: what the prior is estimated by."""
_SMALLEST = 1e-7


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
                trait: {label: [each.m, each.u] for label, each in levels.items()} for trait, levels in self.levels.items()
            },
            "households": self.households.to_json(),
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Model":
        """Read a model that `to_json` wrote. Raises ValueError when another version wrote it."""
        if stored.get("version") != VERSION:
            raise ValueError(f"the stored model has version {stored.get('version')}, this one reads {VERSION}: train again")
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
    """The model before training: every record has about one partner somewhere."""
    return Model(
        prior=min(0.01, 1 / max(records, 1)),
        levels={trait.name: _starting_levels(trait) for trait in traits},
        households=Households.starting(traits),
    )


def _starting_levels(trait: Trait) -> dict[str, Probabilities]:
    levels = {level.label: Probabilities(level.m, level.u) for level in trait.levels}
    rest = Probabilities(*(max(1 - sum(part), 0.001) for part in zip(*((one.m, one.u) for one in levels.values()), strict=True)))
    return {**levels, DIFFERENT: rest}


def splink_settings(model: Model, traits: tuple[Trait, ...], *, rules: list[Any], dialect: str) -> dict[str, Any]:
    """The model as Splink's settings, in the dialect of the engine."""
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": "record_number",
        "probability_two_random_records_match": model.prior,
        "comparisons": [_splink_comparison(trait, model.levels[trait.name], dialect) for trait in traits],
        "blocking_rules_to_generate_predictions": rules,
        "retain_matching_columns": True,  # the levels reached come with them
        "retain_intermediate_calculation_columns": True,
        "additional_columns_to_retain": [],
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


def train(linker: "Linker", start: Model, *, name_form: str, seed: int) -> Model:
    """Estimate u from random pairs, m by expectation maximisation; what a base does not show keeps its starting value.

    `name_form` is "written" or "reading": the form of names that more records have, by which exact agreement is judged.
    """
    from splink import block_on

    names = (f"surname_{name_form}", f"given_{name_form}")
    training = linker.training
    try:
        training.estimate_probability_two_random_records_match(
            [block_on(*names, "birth_date")], recall=RECALL_OF_EXACT_RULES
        )
    except ValueError:  # more exact agreement than the recall allows: the starting prior is good enough
        logging.getLogger(__name__).info("the prior keeps its starting value")
    training.estimate_u_using_random_sampling(max_pairs=U_PAIRS - 1, seed=seed, num_chunks=1, min_count_per_level=None)
    for block in (("birth_date",), names):
        training.estimate_parameters_using_expectation_maximisation(block_on(*block), max_pairs=EM_PAIRS)
    return _trained(linker.misc.save_model_to_json(), start)


def _trained(settings: Mapping[str, Any], start: Model) -> Model:
    levels = {
        comparison["output_column_name"]: _trained_levels(comparison, start.levels[comparison["output_column_name"]])
        for comparison in settings["comparisons"]
    }
    prior = settings["probability_two_random_records_match"] or start.prior
    return replace(start, prior=prior, levels=levels, is_trained=True)


def _trained_levels(comparison: Mapping[str, Any], start: Mapping[str, Probabilities]) -> dict[str, Probabilities]:
    found = {level["label_for_charts"]: level for level in comparison["comparison_levels"]}
    return {
        label: Probabilities(
            _usable(found[label].get("m_probability"), before.m), _usable(found[label].get("u_probability"), before.u)
        )
        for label, before in start.items()
    }


def _usable(estimate: object, before: float) -> float:
    """The estimate when it is one (a level that was never seen has none), never quite 0 or 1."""
    return min(max(estimate, _SMALLEST), 1 - _SMALLEST) if isinstance(estimate, float) else before


__all__ = ["FREQUENCY_COLUMNS", "Model", "Probabilities", "splink_settings", "starting_model", "train"]
