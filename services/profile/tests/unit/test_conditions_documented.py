"""docs/conditions.md: what it shows is of the language, and it shows all of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel, TypeAdapter
from services.profile.tests.random_conditions import LIBRARY

from contracts import conditions as c
from profile_service.conditions import Library, check_condition, check_value, expand, expand_value
from profile_service.repository.library import CONDITION

TEXT = (Path(__file__).parents[4] / "docs" / "conditions.md").read_text(encoding="utf-8")
VALUE: TypeAdapter[c.Value] = TypeAdapter(c.Value)
KNOWN = Library(
    segments=LIBRARY.segments,
    signs=LIBRARY.signs,
    computed={**LIBRARY.computed, "visits": LIBRARY.computed["spend"]},
    ranks=LIBRARY.ranks,
    lifecycle=(*LIBRARY.lifecycle, *((state, LIBRARY.segments["buyers"]) for state in ("dormant", "going_dormant"))),
    cuts=LIBRARY.cuts,
)


def examples(what: str) -> list[dict[str, Any]]:
    return [json.loads(block) for block in re.findall(rf"```json {what}\n(.*?)```", TEXT, re.DOTALL)]


@pytest.mark.parametrize("tree", examples("condition"), ids=lambda tree: tree["kind"])
def test_a_condition_is_one(tree: dict[str, Any]) -> None:
    condition = CONDITION.validate_python(tree)
    check_condition(condition)
    expand(condition, KNOWN)


@pytest.mark.parametrize("tree", examples("value"), ids=lambda tree: tree["kind"])
def test_a_value_is_one(tree: dict[str, Any]) -> None:
    value = VALUE.validate_python(tree)
    check_value(value)
    expand_value(value, KNOWN)


@pytest.mark.parametrize("window", examples("window"), ids=lambda window: next(iter(window)))
def test_a_window_is_one(window: dict[str, Any]) -> None:
    tree = {"kind": "event_count", "event": "A", "comparison": "ge", "value": 1, "window": window}
    check_condition(CONDITION.validate_python(tree))


def test_every_example_says_what_it_is_of() -> None:
    assert len(re.findall("```", TEXT)) == 2 * sum(len(examples(what)) for what in ("condition", "value", "window"))


def test_every_node_and_function_is_shown() -> None:
    shown = {kind for what in ("condition", "value") for tree in examples(what) for kind in _kinds(tree)}
    assert set(_declared(c.Condition)) | set(_declared(c.Value)) <= shown
    for model, field in ((c.EventValue, "function"), (c.TraitCondition, "comparison"), (c.DateCondition, "position")):
        for literal in _literals(model.model_fields[field].annotation):
            assert f"`{literal}`" in TEXT


def _kinds(tree: object) -> Iterator[str]:
    if isinstance(tree, dict):
        if "kind" in tree:
            yield tree["kind"]
        for child in tree.values():
            yield from _kinds(child)
    elif isinstance(tree, list):
        for child in tree:
            yield from _kinds(child)


def _declared(union: Any) -> Iterator[str]:  # an annotated union of models
    for model in get_args(get_args(union)[0]):
        assert issubclass(model, BaseModel)
        yield from _literals(model.model_fields["kind"].annotation)


def _literals(annotation: Any) -> Iterator[str]:  # a Literal, or a union of them
    for each in get_args(annotation):
        if isinstance(each, str):
            yield each
        else:
            yield from _literals(each)
