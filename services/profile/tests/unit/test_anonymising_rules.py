"""What may be asked of an anonymised export."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from profile_service.rules.anonymising import ExportDefinition, rounded

AGE = {
    "name": "age",
    "category": "年代",
    "source": {"kind": "trait", "trait": "age"},
    "generalisation": {"kind": "bins", "edges": [20, 30.5, 40]},
}
EXPORT: dict[str, Any] = {"columns": [AGE], "purpose": "a study", "recipient": "a university", "provision": "SFTP"}


def trait(name: str, **generalisation: Any) -> dict[str, Any]:
    return EXPORT | {"columns": [AGE | {"source": {"kind": "trait", "trait": name}, "generalisation": generalisation}]}


def test_a_definition_reads_as_it_is_stored() -> None:
    definition = ExportDefinition.model_validate(EXPORT)
    assert ExportDefinition.model_validate(definition.model_dump(mode="json")) == definition


@pytest.mark.parametrize(
    "name", ["email", "phone", "name", "customer_id", "userId", "address", "電話番号", "member_no"]
)
def test_no_identifying_trait_however_coarse(name: str) -> None:
    for generalisation in ({"kind": "digits", "length": 1}, {"kind": "categories", "values": {"a": "b"}}):
        with pytest.raises(ValidationError, match="identifies people"):
            ExportDefinition.model_validate(trait(name, **generalisation))


def test_a_birthday_by_its_year_only() -> None:
    ExportDefinition.model_validate(trait("birthday", kind="calendar", unit="year"))
    with pytest.raises(ValidationError, match="identifies people"):
        ExportDefinition.model_validate(trait("birthday", kind="calendar", unit="month"))


@pytest.mark.parametrize(
    "generalisation",
    [
        {"kind": "calendar", "unit": "day"},
        {"kind": "digits", "length": 4},
        {"kind": "bins", "edges": [2, 1]},
        {"kind": "bins", "edges": []},
        {"kind": "steps", "width": 0},
        {"kind": "steps", "width": 10, "top_percentile": 100},
        {"kind": "steps", "width": 10, "bottom_percentile": 0},
        {"kind": "categories", "values": {}},
        {"kind": "categories", "values": {"a": "=cmd()"}},
        {"kind": "categories", "values": {"a": "hanako@example.jp"}},
        {"kind": "as_is", "of": "x"},
        {"kind": "text"},
    ],
)
def test_nothing_finer_than_stated(generalisation: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExportDefinition.model_validate(trait("city", **generalisation))


@pytest.mark.parametrize(
    "wrong",
    [
        {"columns": []},
        {"columns": [AGE, AGE]},
        {"columns": [AGE | {"name": "count"}]},
        {"columns": [AGE | {"name": "customer_id"}]},
        {"columns": [AGE | {"category": ""}]},
        {"columns": [AGE | {"source": {"kind": "rank"}}]},
        {"columns": [AGE | {"source": {"kind": "moment", "of": "first_event"}}]},
        {"k": 1},
        {"rounding": 1},
        {"keep_days": 91},
        {"customer_ids": []},
        {"recipient": ""},
        {"purpose": "\0"},
    ],
)
def test_a_definition_that_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExportDefinition.model_validate(EXPORT | wrong)


@given(st.integers(2, 50), st.integers(2, 20), st.integers(0, 500))
def test_numbers_are_rounded_down_and_never_below_k(k: int, rounding: int, more: int) -> None:
    published = rounded(k + more, k=k, rounding=rounding)
    assert k <= published <= k + more < published + rounding
