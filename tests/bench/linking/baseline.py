"""What P8 is measured against: Splink used straight on the same fields, as its documentation does it.

Its ready-made comparisons field by field with term frequencies on names, u from 1,000,000 random pairs, expectation
maximisation over two blocks, connected components. Which threshold it gets is decided afterwards, by the truth: the
best one there is.
"""

import logging
from collections.abc import Iterable
from typing import Any

from tests.bench.linking.datasets import LabelledRecords

U_PAIRS = 1_000_001
"""Splink warns of its default, 1,000,000."""
LEAST_PROBABILITY = 0.05

Pair = tuple[str, str, float]


def link_with_splink(labelled: LabelledRecords) -> list[Pair]:
    """Train on the records and score them: (record, other record, probability)."""
    from splink import DuckDBAPI, Linker, block_on

    records = _filled_columns(labelled.records)
    columns = set(records.column_names)
    engine = DuckDBAPI()
    linker = Linker(engine.register(records), _settings(columns, labelled.number_fields), log_level=logging.ERROR)
    names = ("surname", "given_name")
    exact: list[Any] = [block_on(*block) for block in ((*names, "birth_date"), ("email",)) if set(block) <= columns]
    linker.training.estimate_probability_two_random_records_match(exact, recall=0.6)
    linker.training.estimate_u_using_random_sampling(max_pairs=U_PAIRS, seed=1)
    for block in (("birth_date",), names):
        linker.training.estimate_parameters_using_expectation_maximisation(block_on(*block))
    found = linker.inference.predict(threshold_match_probability=LEAST_PROBABILITY, warning_mode="never")
    rows: Iterable[dict[str, Any]] = found.as_record_list()  # Splink's own rows
    return [(row["record_id_l"], row["record_id_r"], row["match_probability"]) for row in rows]


def _filled_columns(records: Any) -> Any:  # pyarrow ships no types
    return records.select([name for name in records.column_names if records[name].null_count < len(records)])


def _settings(columns: set[str], number_fields: tuple[str, ...]) -> Any:  # Splink's settings
    import splink.comparison_library as compare
    from splink import SettingsCreator, block_on

    ready_made = {
        **{name: compare.NameComparison(name) for name in ("surname", "given_name", "surname_kana", "given_name_kana")},
        "birth_date": compare.DateOfBirthComparison("birth_date", input_is_string=True),
        "gender": compare.ExactMatch("gender"),
        "email": compare.EmailComparison("email"),
        **{name: compare.LevenshteinAtThresholds(name, [1, 2]) for name in ("phone", "postal_code", *number_fields)},
        **{
            name: compare.ExactMatch(name).configure(term_frequency_adjustments=True) for name in ("prefecture", "city")
        },
        "town": compare.LevenshteinAtThresholds("town", [1, 2]),
        "street": compare.ExactMatch("street"),
        "building": compare.LevenshteinAtThresholds("building", [2]),
    }
    for name in ("surname", "given_name", "surname_kana", "given_name_kana"):
        ready_made[name].configure(term_frequency_adjustments=True)
    blocks: list[tuple[str, ...]] = [
        *((name,) for name in (*number_fields, "email", "phone", "birth_date")),
        ("surname", "given_name"),
        ("surname_kana", "given_name_kana"),
        ("postal_code", "surname"),
        ("postal_code", "given_name"),
        ("town", "street"),
    ]
    return SettingsCreator(
        link_type="dedupe_only",
        unique_id_column_name="record_id",
        comparisons=[comparison for name, comparison in ready_made.items() if name in columns],
        blocking_rules_to_generate_predictions=[block_on(*block) for block in blocks if set(block) <= columns],
        retain_matching_columns=False,
    )
