"""What was published stays readable: today's contracts against the committed snapshots."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from contracts.catalog import FACTS
from contracts.topology import CONSUMERS, STREAMS

ROOT = Path(__file__).parents[1]


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_contracts", ROOT / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def incompatibilities(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """Say what a consumer or publisher of the old schema would trip over in the new one."""
    found = []
    old_fields, new_fields = old.get("properties", {}), new.get("properties", {})
    for name, field in old_fields.items():
        if name not in new_fields:
            found.append(f"field {name} was removed")
        elif _shape(field) - _shape(new_fields[name]):
            found.append(f"field {name} no longer allows {sorted(_shape(field) - _shape(new_fields[name]))}")
    found += [f"field {name} became required" for name in set(new.get("required", [])) - set(old.get("required", []))]
    for name, definition in old.get("$defs", {}).items():
        found += [f"{name}: {each}" for each in incompatibilities(definition, new.get("$defs", {}).get(name, {}))]
    return found


def _shape(field: dict[str, Any]) -> set[str]:
    for choice in ("anyOf", "oneOf"):
        if choice in field:
            return set().union(*(_shape(option) for option in field[choice]))
    if "enum" in field:
        return {f"={value}" for value in field["enum"]}
    if "const" in field:
        return {f"={field['const']}"}
    if field.get("type") == "array":
        return {f"list of {shape}" for shape in _shape(field.get("items", {}))}
    return {str(field.get("$ref") or field.get("format") or field.get("type") or "any")}


def test_contracts_change_by_addition_only() -> None:
    current = _generator().schema_texts()
    for path in sorted((ROOT / "schemas").glob("*.json")):
        assert path.name in current, f"{path.stem} was removed; keep it until nobody has it in a stream"
        assert incompatibilities(json.loads(path.read_text()), json.loads(current[path.name])) == [], path.stem


def test_snapshots_and_document_are_as_committed() -> None:
    generator = _generator()
    for name, text in generator.schema_texts().items():
        assert (ROOT / "schemas" / name).read_text() == text, f"{name} is outdated: run `make contracts`"
    assert generator.DOCUMENT.read_text() == generator.document_text(), (
        "docs/events.md is outdated: run `make contracts`"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"properties": {"a": {"type": "string"}}}, {"properties": {}}),
        ({"properties": {"a": {"type": "string"}}}, {"properties": {"a": {"type": "integer"}}}),
        ({"properties": {"a": {"enum": ["x", "y"]}}}, {"properties": {"a": {"enum": ["x"]}}}),
        ({"properties": {}}, {"properties": {"a": {"type": "string"}}, "required": ["a"]}),
        ({"properties": {}, "$defs": {"D": {"properties": {"b": {}}}}}, {"properties": {}, "$defs": {"D": {}}}),
    ],
)
def test_incompatible_changes_are_seen(old: dict[str, Any], new: dict[str, Any]) -> None:
    assert incompatibilities(old, new)


def test_an_added_optional_field_is_compatible() -> None:
    assert incompatibilities({"properties": {}}, {"properties": {"a": {"type": "string"}}}) == []


def test_every_fact_has_a_stream_and_a_type_of_the_right_form() -> None:
    streams = {stream.name: stream for stream in STREAMS}
    for fact in FACTS:
        service, noun, verb, version = fact.fact_type.removeprefix("live.").split(".")
        assert service in streams, fact.fact_type
        assert noun
        assert verb
        assert version == "v1"
        assert fact.__doc__, f"{fact.__name__} needs a sentence"


def test_every_consumer_reads_an_existing_stream() -> None:
    streams = {stream.name for stream in STREAMS}
    assert {consumer.stream for consumer in CONSUMERS} <= streams
    assert len({(consumer.service, consumer.stream) for consumer in CONSUMERS}) == len(CONSUMERS)
