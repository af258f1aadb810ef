"""Splink at work: train the model when it is new, find the pairs, weigh them, and tell persons from households."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING, Any

from identity_service.linking.blocking import prediction_rules
from identity_service.linking.comparisons import FREQUENCY_COLUMNS, Trait
from identity_service.linking.engines import open_engine
from identity_service.linking.frequencies import frequencies
from identity_service.linking.model import FEWEST_RECORDS_TO_TRAIN, Model, splink_settings, train
from identity_service.linking.preparation import PreparedRecords
from identity_service.linking.results import LinkingSettings

if TYPE_CHECKING:
    from splink import Linker

_LOWEST_WORTH_A_LOOK = 0.01
"""Pairs that are less likely than this, or than half of `lower`, are not even fetched."""


@dataclass(frozen=True)
class ComparedPair:
    """Two records (by their numbers) and how they compare. `levels` and `weights` (bits) are by trait."""

    record: int
    other: int
    score: float
    levels: Mapping[str, int]
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Scored:
    """The likelier pairs, how many were compared in all, and the model that did it."""

    pairs: tuple[ComparedPair, ...]
    compared: int
    model: Model


def score(
    prepared: PreparedRecords, *, traits: tuple[Trait, ...], model: Model, may_train: bool, settings: LinkingSettings
) -> Scored:
    """Compare the pairs that share a key. Trains first when it may and there is enough to train on. Raises LinkingEngineMissing."""
    if len(prepared.rows) < 2 or prepared.changed == 0:
        open_engine(settings)  # says what is missing even when there is nothing to do
        return Scored((), 0, model)
    if may_train and len(prepared.rows) >= FEWEST_RECORDS_TO_TRAIN:
        form = "reading" if _is_mostly_read(prepared) else "written"
        model = train(_linker(prepared, traits, model, settings), model, name_form=form, seed=settings.seed)
    linker = _linker(prepared, traits, model, settings)
    least = min(settings.lower / 2, _LOWEST_WORTH_A_LOOK) or 1e-9
    blocked = linker.inference.compute_blocked_pairs_for_predict()
    found = linker.inference.predict(threshold_match_weight=log2(least / (1 - least)), warning_mode="never")
    rows = _query(linker, f"SELECT {', '.join(_columns(traits))} FROM {found.physical_name}")  # noqa: S608 (Splink's own table)
    compared = _query(linker, f"SELECT count(*) AS pairs FROM {blocked.physical_name}")  # noqa: S608
    return Scored(tuple(_compared_pair(row, traits, model) for row in rows), int(compared[0]["pairs"]), model)


def _is_mostly_read(prepared: PreparedRecords) -> bool:
    known = {form: sum(row[f"given_{form}"] is not None for row in prepared.forms) for form in ("reading", "written")}
    return known["reading"] > known["written"]


def _linker(prepared: PreparedRecords, traits: tuple[Trait, ...], model: Model, settings: LinkingSettings) -> "Linker":
    import pyarrow as pa
    from splink import Linker

    engine = open_engine(settings)
    table = pa.table(
        {
            "record_number": pa.array(range(len(prepared.rows)), pa.int64()),
            "is_changed": pa.array([number < prepared.changed for number in range(len(prepared.rows))]),
            **{name: pa.array(values, pa.string()) for name, values in prepared.columns.items()},
        }
    )
    only_changed = prepared.changed < len(prepared.rows)
    described = splink_settings(
        model,
        traits,
        rules=prediction_rules(settings.number_fields, only_changed=only_changed),
        dialect=settings.engine,
    )
    linker = Linker(engine.register(table), described, log_level=logging.ERROR, validate_settings=False)
    for column in FREQUENCY_COLUMNS:
        lookup = frequencies(prepared.columns[column], column)
        linker.table_management.register_term_frequency_lookup(engine.register(lookup), column)
    return linker


def _columns(traits: tuple[Trait, ...]) -> tuple[str, ...]:
    weighed = [trait.name for trait in traits if any(level.frequency_of for level in trait.levels)]
    return (
        "record_number_l",
        "record_number_r",
        "match_weight",
        *(f"gamma_{trait.name}" for trait in traits),
        *(f"mw_{trait.name}" for trait in traits),
        *(f"mw_tf_adj_{name}" for name in weighed),
    )


def _query(linker: "Linker", sql: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = linker.misc.query_sql(sql, output_type="splink_df").as_record_list()
    return rows


def _compared_pair(row: Mapping[str, Any], traits: tuple[Trait, ...], model: Model) -> ComparedPair:
    weights = {trait.name: row[f"mw_{trait.name}"] + row.get(f"mw_tf_adj_{trait.name}", 0.0) for trait in traits}
    return ComparedPair(
        record=row["record_number_l"],
        other=row["record_number_r"],
        score=model.households.probability_of_one_person(row["match_weight"], weights),
        levels={trait.name: row[f"gamma_{trait.name}"] for trait in traits},
        weights=weights,
    )
