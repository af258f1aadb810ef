"""Splink at work: find the pairs that share a key, compare them, train the model when it is new, weigh them."""

import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import TYPE_CHECKING, Any

from identity_service.linking.blocking import prediction_rules
from identity_service.linking.comparisons import FREQUENCY_COLUMNS, Trait
from identity_service.linking.engines import open_engine
from identity_service.linking.frequencies import frequencies
from identity_service.linking.model import Model, splink_settings
from identity_service.linking.preparation import PreparedRecords
from identity_service.linking.results import LinkingSettings
from identity_service.linking.training import Pattern, TrainingPairs, train

if TYPE_CHECKING:
    from splink import Linker

FEWEST_RECORDS_TO_TRAIN = 200
"""Below, chance rules the estimates and the starting values are better."""
RANDOM_PAIRS = 60_000
TRAINING_PAIRS = 150_000
_LOWEST_WORTH_A_LOOK = 0.01
"""Pairs that are less likely than this, or than half of `lower`, are not even fetched."""


@dataclass(frozen=True, slots=True)
class ComparedPair:
    """Two records (by their numbers) and how they compare. `levels` and `weights` (bits) are by trait, those that both
    records have."""

    record: int
    other: int
    score: float
    levels: Mapping[str, int]
    weights: Mapping[str, float]


@dataclass(frozen=True)
class Scored:
    """The likelier pairs of different customers, how many pairs were compared in all, and the model that did it."""

    pairs: tuple[ComparedPair, ...]
    compared: int
    model: Model
    known_pairs_compared: int
    """Of the pairs of records that the rules joined, how many share a key."""


class _Comparison:
    """The records in the engine, and the pairs of them that share a key."""

    def __init__(self, prepared: PreparedRecords, traits: tuple[Trait, ...], settings: LinkingSettings) -> None:
        self._prepared, self._traits, self._settings = prepared, traits, settings
        self._engine = open_engine(settings)
        self._table = self._engine.register(_table(prepared))
        self._lookups = {
            column: self._engine.register(frequencies(prepared.columns[column], column)) for column in FREQUENCY_COLUMNS
        }

    def linker(self, model: Model) -> "Linker":
        """Splink with this model, on the same records."""
        from splink import Linker

        rules = prediction_rules(
            self._settings.number_fields, only_changed=self._prepared.changed < len(self._prepared.rows)
        )
        described = splink_settings(model, self._traits, rules=rules, dialect=self._settings.engine)
        linker = Linker(self._table, described, log_level=logging.ERROR, validate_settings=False)
        for column, lookup in self._lookups.items():
            linker.table_management.register_term_frequency_lookup(lookup, column)
        return linker

    def known_pairs(self, linker: "Linker", blocked: str) -> int:
        """How many of the pairs are of one customer already."""
        table = self._table.physical_name
        rows = query(
            linker,
            f"SELECT count(*) AS pairs FROM {blocked}"  # noqa: S608 (Splink's own tables)
            f" JOIN {table} AS one ON one.record_number = join_key_l"
            f" JOIN {table} AS other ON other.record_number = join_key_r"
            " WHERE one.customer_number = other.customer_number",
        )
        return int(rows[0]["pairs"])

    def training_pairs(self, linker: "Linker", model: Model, *, blocked: str, found: int) -> TrainingPairs:
        """A sample of the pairs that share a key, and random pairs, as patterns."""
        step = ceil(found / TRAINING_PAIRS) or 1
        records = len(self._prepared.rows)
        table = self._engine.register(_random_table(records, self._settings.seed))
        chosen = _run(
            linker,
            f"SELECT match_key, join_key_l, join_key_r FROM {blocked}"  # noqa: S608 (Splink's own tables)
            f" WHERE (join_key_l * 31 + join_key_r) % {step} = 0"
            f" UNION ALL SELECT match_key, join_key_l, join_key_r FROM {table.physical_name}",
        )
        linker.table_management.register_blocked_pairs_for_predict(chosen)
        compared = linker.inference.predict(warning_mode="never")
        rows = query(linker, _patterns_sql(self._traits, compared.physical_name))
        return TrainingPairs(
            patterns=[_pattern(row, self._traits, model) for row in rows],
            sampled=1 / step,
            all_pairs=records * (records - 1) / 2,
        )


def score(
    prepared: PreparedRecords, *, traits: tuple[Trait, ...], model: Model, may_train: bool, settings: LinkingSettings
) -> Scored:
    """Compare the pairs that share a key. Trains first when it may and there is enough to train on. Raises
    LinkingEngineMissing."""
    if len(prepared.rows) < 2 or prepared.changed == 0:
        open_engine(settings)  # says what is missing even when there is nothing to do
        return Scored((), 0, model, 0)
    comparison = _Comparison(prepared, traits, settings)
    linker = comparison.linker(model)
    blocked = linker.inference.compute_blocked_pairs_for_predict()
    count = f"SELECT count(*) AS pairs FROM {blocked.physical_name}"  # noqa: S608 (Splink's own table)
    found = int(query(linker, count)[0]["pairs"])
    if may_train and len(prepared.rows) >= FEWEST_RECORDS_TO_TRAIN:
        pairs = comparison.training_pairs(linker, model, blocked=blocked.physical_name, found=found)
        model = train(model, traits, pairs)
        linker = comparison.linker(model)
    linker.table_management.register_blocked_pairs_for_predict(blocked)
    least = min(settings.lower / 2, _LOWEST_WORTH_A_LOOK) or 1e-9
    likely = linker.inference.predict(threshold_match_weight=log2(least / (1 - least)), warning_mode="never")
    rows = query(linker, _pairs_sql(traits, likely.physical_name))
    return Scored(
        pairs=tuple(_compared_pair(row, traits, model) for row in rows),
        compared=found,
        model=model,
        known_pairs_compared=comparison.known_pairs(linker, blocked.physical_name),
    )


def _table(prepared: PreparedRecords) -> Any:  # pyarrow ships no types
    import pyarrow as pa

    numbers: dict[str, int] = {}
    customers = [numbers.setdefault(customer_id, len(numbers)) for customer_id in prepared.customer_ids]
    return pa.table(
        {
            "record_number": pa.array(range(len(prepared.rows)), pa.int64()),
            "customer_number": pa.array(customers, pa.int64()),
            "is_changed": pa.array([number < prepared.changed for number in range(len(prepared.rows))]),
            **{name: pa.array(values, pa.string()) for name, values in prepared.columns.items()},
        }
    )


def _random_table(records: int, seed: int) -> Any:  # pyarrow ships no types
    """Pairs for u: every record with the records that stand so and so many places further, the distances drawn at
    random."""
    import pyarrow as pa

    generator = random.Random(seed)
    wanted = min(ceil(RANDOM_PAIRS / records), (records - 1) // 2)
    firsts = generator.sample(range(records), min(records, RANDOM_PAIRS))
    pairs = [
        (first, (first + distance) % records)
        for distance in generator.sample(range(1, (records + 1) // 2), wanted)
        for first in firsts
    ]
    return pa.table(
        {
            "match_key": pa.array(["random"] * len(pairs), pa.string()),
            "join_key_l": pa.array([min(pair) for pair in pairs], pa.int64()),
            "join_key_r": pa.array([max(pair) for pair in pairs], pa.int64()),
        }
    )


def query(linker: "Linker", sql: str) -> list[dict[str, Any]]:
    """The rows of a query over Splink's tables."""
    rows: list[dict[str, Any]] = _run(linker, sql).as_record_list()
    return rows


def _run(linker: "Linker", sql: str) -> Any:  # Splink's table
    return linker.misc.query_sql(sql)  # type: ignore[no-untyped-call]  # Splink left it untyped


def _weighed(traits: tuple[Trait, ...]) -> list[str]:
    """The traits whose values' frequency counts."""
    return [trait.name for trait in traits if any(level.frequency_of for level in trait.levels)]


def _patterns_sql(traits: tuple[Trait, ...], table: str) -> str:
    """Pairs by the level of every trait and by how rare their values are together, in steps of 4 bits.

    In one order: training adds them up as floats, and threads finish their groups in any.
    """
    levels = ", ".join(f"gamma_{trait.name}" for trait in traits)
    adjusted = [f"mw_tf_adj_{name}" for name in _weighed(traits)]
    averages = ", ".join(f"avg({column}) AS {column}" for column in adjusted)
    rarity = f"round(({' + '.join(adjusted)}) / 4)"
    return (
        f"SELECT {levels}, {averages}, count(*) AS pairs, match_key = 'random' AS is_random,"  # noqa: S608 (Splink's own table)
        f" customer_number_l = customer_number_r AS is_known FROM {table}"
        f" GROUP BY {levels}, match_key = 'random', customer_number_l = customer_number_r, {rarity}"
        f" ORDER BY {levels}, is_random, is_known, {rarity}"
    )


def _pairs_sql(traits: tuple[Trait, ...], table: str) -> str:
    columns = (
        *(f"gamma_{trait.name}" for trait in traits),
        *(f"mw_{trait.name}" for trait in traits),
        *(f"mw_tf_adj_{name}" for name in _weighed(traits)),
    )
    return (
        f"SELECT record_number_l, record_number_r, match_weight, {', '.join(columns)} FROM {table}"  # noqa: S608 (Splink's own table)
        " WHERE customer_number_l <> customer_number_r"
    )


def _pattern(row: Mapping[str, Any], traits: tuple[Trait, ...], model: Model) -> Pattern:
    labels: list[str | None] = []
    surprises: list[float | None] = []
    for trait in traits:
        reached = row[f"gamma_{trait.name}"]
        place = len(trait.levels) - reached
        labels.append(None if reached < 0 else trait.labels()[place])
        weighed = reached > 0 and trait.levels[place].frequency_of is not None
        adjustment = round(row[f"mw_tf_adj_{trait.name}"], 6) if weighed else None
        # Splink gives log2(u of the level) - log2(frequency); what counts is the second part
        surprises.append(
            None if adjustment is None else adjustment - log2(model.levels[trait.name][trait.levels[place].label].u)
        )
    return Pattern(tuple(labels), tuple(surprises), row["pairs"], row["is_random"], row["is_known"])


def _compared_pair(row: Mapping[str, Any], traits: tuple[Trait, ...], model: Model) -> ComparedPair:
    levels = {trait.name: row[f"gamma_{trait.name}"] for trait in traits if row[f"gamma_{trait.name}"] >= 0}
    weights = {name: row[f"mw_{name}"] + row.get(f"mw_tf_adj_{name}", 0.0) for name in levels}
    return ComparedPair(
        record=row["record_number_l"],
        other=row["record_number_r"],
        score=model.households.probability_of_one_person(row["match_weight"], weights),
        levels=levels,
        weights=weights,
    )
