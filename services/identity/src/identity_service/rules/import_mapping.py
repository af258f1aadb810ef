"""What the columns of a file are: read, and held against the source that brings it."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from identity_service.rules.partners import Problem, SourceRules, namespace_problem
from identity_service.rules.records import EVENT, PROPERTIES, RECORD_ID, event_name_problem
from identity_service.rules.typed_values import LIST, TEXT, TYPES

CUSTOMERS, ID_SYNCS, EVENTS = "customers", "id_syncs", "events"

USER_ID, ANONYMOUS_ID, OCCURRED_AT, IGNORE = "user_id", "anonymous_id", "occurred_at", "ignore"
TRAITS, EXTERNAL_IDS, SHA256 = "traits", "external_ids", "sha256"
MAX_NAME_LENGTH = 100
MAX_CONSTANT_LENGTH = 1000
_OF_EVENTS = frozenset({EVENT, RECORD_ID})
_PLAIN_TARGETS = frozenset({USER_ID, ANONYMOUS_ID, OCCURRED_AT, IGNORE}) | _OF_EVENTS
_SAYING = frozenset({TRAITS, PROPERTIES})
_TARGETS = (
    "One of user_id, anonymous_id, occurred_at, traits.<name>, properties.<name>, external_ids.<namespace>, "
    "sha256.<namespace>, event, record_id, ignore."
)
_CONTACTS = frozenset({"email", "phone"})
_NUMBERS = frozenset({"revenue", "price", "quantity", "total", "subtotal", "value", "tax", "shipping", "discount"})
"""Numbers by Segment's specification of e-commerce events. As text they would count in no sum."""

Target = str | Mapping[str, str | None]
"""What a column is: the target, or {"to": target, "type": one of TYPES}, of a list also its separator and elements."""
Constant = str | int | float | bool


class Column(NamedTuple):
    """A column and what it is: `kind` is one of the constants above; `name` the trait's, property's or namespace's."""

    title: str
    kind: str
    name: str
    type: str | None = None
    """None: as it stands there."""
    separator: str | None = None
    """Of a list: what stands between its elements where it is text."""
    elements: str = TEXT
    """Of a list: what they are."""

    @property
    def namespace(self) -> str | None:
        """Of the identifier that the column holds, if it holds one."""
        if self.kind in {USER_ID, ANONYMOUS_ID}:
            return self.kind
        if self.kind in {EXTERNAL_IDS, SHA256} or (self.kind == TRAITS and self.name in _CONTACTS):
            return self.name
        return None


def read_mapping(mapping: Mapping[str, Target]) -> list[Column]:
    """Return the columns that are used."""
    columns = [_column(title, target) for title, target in mapping.items()]
    return [column for column in columns if column.kind != IGNORE]


def _column(title: str, target: Target) -> Column:
    if isinstance(target, str):
        return Column(title, *_split(target))
    kind, name = _split(target["to"] or "")
    return Column(title, kind, name, target["type"], target.get("separator"), target.get("elements") or TEXT)


def _split(target: str) -> tuple[str, str]:
    kind, _, name = target.partition(".")
    return (target, "") if target in _PLAIN_TARGETS else (kind, name)


def read_constants(constants: Mapping[str, Constant]) -> list[tuple[Column, Constant]]:
    """Return what is the same in every record; the title is how problems name it."""
    return [(Column(f"constants.{target}", *_split(target)), value) for target, value in constants.items()]


def mapping_problems(
    mapping: Mapping[str, Target],
    *,
    constants: Mapping[str, Constant],
    kind: str,
    is_text_only: bool,
    rules: SourceRules,
) -> list[Problem]:
    """Return what is wrong with how a file is to be read, as (`mapping.<column>` or `constants.<target>`, detail).

    `is_text_only`: the file's format knows no numbers.
    """
    columns, same = read_mapping(mapping), read_constants(constants)
    problems = [
        (f"mapping.{column.title}", detail)
        for column in columns
        if (detail := _column_problem(column, kind=kind, is_text_only=is_text_only, rules=rules)) is not None
    ]
    problems += [
        (column.title, detail)
        for column, value in same
        if (detail := _constant_problem(column, value, kind=kind)) is not None
    ]
    problems += _clashes([(f"mapping.{one.title}", one) for one in columns] + [(one.title, one) for one, _ in same])
    return problems or _lacking(columns, same, kind=kind)


def _clashes(columns: Sequence[tuple[str, Column]]) -> list[Problem]:
    """Two columns that are the same, or one that leads into what another one is."""
    paths = [(column.kind, *column.name.split(".")) for _, column in columns]
    return [
        (field, "Another column is the same, or leads into it.")
        for (field, column), path in zip(columns, paths, strict=True)
        if column.kind not in {EXTERNAL_IDS, SHA256}
        and sum(path[: len(other)] == other or other[: len(path)] == path for other in paths) > 1
    ]


def _lacking(columns: Sequence[Column], same: Sequence[tuple[Column, Constant]], *, kind: str) -> list[Problem]:
    needed = identifiers_needed(kind)
    if sum(column.namespace is not None for column in columns) < needed:
        return [("mapping", f"At least {needed} of the columns must hold an identifier.")]
    if kind == EVENTS and not any(column.kind == EVENT for column in [*columns, *(one for one, _ in same)]):
        return [("mapping", "What happened? A column is `event`, or `constants` say it for the whole file.")]
    return []


def identifiers_needed(kind: str) -> int:
    """Return how many identifiers a record of a kind must have."""
    return 2 if kind == ID_SYNCS else 1


def _column_problem(column: Column, *, kind: str, is_text_only: bool, rules: SourceRules) -> str | None:
    if column.type is not None and (column.type not in TYPES or column.kind not in _SAYING):
        return f"Only traits and properties have a type: {', '.join(sorted(TYPES))}."
    if column.kind in {EXTERNAL_IDS, SHA256}:
        problem = namespace_problem(column.name, rules, is_hashed=column.kind == SHA256)
        return None if problem is None else problem[1]
    if column.kind in _SAYING and column.namespace is not None and column.type not in {None, TEXT}:
        return "It holds an identifier: that is text."
    if column.kind == PROPERTIES and column.name in _NUMBERS and column.type is None and is_text_only:
        return f'CSV holds text, and text counts in no sum: {{"to": "properties.{column.name}", "type": "number"}}.'
    if column.type == LIST and column.separator is None and is_text_only:
        return (
            f'CSV holds text. Say what stands between the elements: {{"to": ..., "type": "{LIST}", "separator": "|"}}.'
        )
    return _target_problem(column, kind=kind)


def _constant_problem(column: Column, value: Constant, *, kind: str) -> str | None:
    if column.kind not in _SAYING and column.kind != EVENT:
        return "Only event, properties.<name> and traits.<name> can be the same for all records."
    if column.namespace is not None:
        return "Not everybody has the same identifier."
    if isinstance(value, str) and (len(value) > MAX_CONSTANT_LENGTH or "\x00" in value):
        return f"At most {MAX_CONSTANT_LENGTH} characters, without U+0000."
    if column.kind == EVENT and (detail := event_name_problem(value)) is not None:
        return detail
    return _target_problem(column, kind=kind)


def _target_problem(column: Column, *, kind: str) -> str | None:
    if column.kind in _PLAIN_TARGETS:
        return "Only events have this." if column.kind in _OF_EVENTS and kind != EVENTS else None
    if column.kind not in _SAYING:
        return _TARGETS
    if column.kind == TRAITS and kind != CUSTOMERS:
        return "Traits come with the kind customers, in a file of their own."
    if column.kind == PROPERTIES and kind != EVENTS:
        return "Only events have properties."
    if not 0 < len(column.name) <= MAX_NAME_LENGTH or "\x00" in column.name or "" in column.name.split("."):
        return f"A name has 1 to {MAX_NAME_LENGTH} characters; a dot leads into an object."
    return None


def missing_columns(columns: Sequence[str], mapping: Mapping[str, Target]) -> list[str]:
    """Return the columns that a mapping uses and a file does not have, or has twice."""
    return [column.title for column in read_mapping(mapping) if columns.count(column.title) != 1]
