"""Writes what is derived from the contracts: schemas/*.json and docs/events.md. Run `make contracts` after a change.

A changed snapshot must be an addition; the test in tests/test_compatibility.py refuses anything else within v1.
"""

import json
from pathlib import Path

from pydantic import TypeAdapter

from contracts.catalog import FACTS
from contracts.conditions import Condition
from contracts.fact import Fact, Notice
from contracts.topology import CONSUMERS, STREAMS

ROOT = Path(__file__).parent
SCHEMAS = ROOT / "schemas"
DOCUMENT = ROOT.parents[1] / "docs" / "events.md"


def schema_texts() -> dict[str, str]:
    """Return the JSON Schemas by file name: one per fact, and the condition language's."""
    schemas = {fact.fact_type: fact.model_json_schema() for fact in FACTS}
    schemas["conditions"] = TypeAdapter(Condition).json_schema()
    return {f"{name}.json": json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in schemas.items()}


def document_text() -> str:
    """Return docs/events.md."""
    lines = [
        "# Events between services",
        "",
        "Generated from `libs/contracts` by `make contracts`; do not edit.",
        "",
        'A message is a CloudEvent (binary mode) whose JSON body is `{"facts": [...]}`, of one type and partition.',
        "Subject: the type, a dot, the partition (0-15). Every fact has its own `event_id`; consumers make",
        "its effect happen once. Additions are allowed within v1; anything else is a v2 beside it.",
        "",
        "## Streams",
        "",
        "| stream | subjects | kept | when full | consumed by |",
        "| --- | --- | --- | --- | --- |",
    ]
    for stream in STREAMS:
        consumers = ", ".join(consumer.service for consumer in CONSUMERS if consumer.stream == stream.name) or "-"
        full = "refuses new ones" if stream.discard == "new" else "drops the oldest"
        subjects = ", ".join(f"`{subject}`" for subject in stream.subjects)
        lines.append(f"| {stream.name} | {subjects} | {stream.max_age_seconds // 86_400} days | {full} | {consumers} |")
    for service in dict.fromkeys(_publisher(fact) for fact in FACTS):
        lines += ["", f"## {service}"]
        for fact in FACTS:
            if _publisher(fact) == service:
                lines += _fact_lines(fact)
    return "\n".join(lines) + "\n"


def _publisher(fact: type[Fact] | type[Notice]) -> str:
    parts = fact.fact_type.split(".")
    return parts[1] if parts[0] == "live" else parts[0]


def _fact_lines(fact: type[Fact] | type[Notice]) -> list[str]:
    schema = fact.model_json_schema()
    lines = ["", f"### `{fact.fact_type}`", "", " ".join((fact.__doc__ or "").split()), ""]
    lines += ["| field | type | required |", "| --- | --- | --- |"]
    for name, field in schema["properties"].items():
        lines.append(f"| {name} | {_type(field)} | {'yes' if name in schema.get('required', []) else 'no'} |")
    return lines


def _type(field: dict[str, object]) -> str:
    if "anyOf" in field:
        options = field["anyOf"]
        assert isinstance(options, list)
        return " or ".join(_type(option) for option in options)
    if "enum" in field:
        values = field["enum"]
        assert isinstance(values, list)
        return " or ".join(f"`{value}`" for value in values)
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field:
        return str(field["$ref"]).rsplit("/", 1)[-1]
    if field.get("type") == "array":
        items = field.get("items")
        assert isinstance(items, dict)
        return f"list of {_type(items)}"
    return str(field.get("format") or field.get("type") or "any")


if __name__ == "__main__":
    SCHEMAS.mkdir(exist_ok=True)
    for file_name, text in schema_texts().items():
        (SCHEMAS / file_name).write_text(text, encoding="utf-8")
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document_text(), encoding="utf-8")
