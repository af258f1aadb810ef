"""What the columns of a list are, and the identify event that a record becomes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from identity_service.rules.normalisation import NORMALISERS
from identity_service.rules.partners import (
    Problem,
    SourceRules,
    digest_problem,
    external_id,
    identify_event,
    namespace_problem,
    value_problem,
)
from identity_service.rules.tracking import MAX_EVENT_BYTES, moment

CUSTOMERS, ID_SYNCS = "customers", "id_syncs"

USER_ID, ANONYMOUS_ID, OCCURRED_AT, IGNORE = "user_id", "anonymous_id", "occurred_at", "ignore"
TRAITS, EXTERNAL_IDS, SHA256 = "traits", "external_ids", "sha256"
MAX_TRAIT_LENGTH = 100
_PLAIN_TARGETS = frozenset({USER_ID, ANONYMOUS_ID, OCCURRED_AT, IGNORE})
_TARGETS = (
    "One of user_id, anonymous_id, occurred_at, traits.<name>, external_ids.<namespace>, sha256.<namespace>, ignore."
)
_CONTACTS = frozenset({"email", "phone"})

Value = str | int | float | bool | dict[str, Any] | list[Any] | None


class Column(NamedTuple):
    """A column and what it is: `kind` is one of the constants above; `name` the trait's or namespace's."""

    title: str
    kind: str
    name: str

    @property
    def namespace(self) -> str | None:
        """Of the identifier that the column holds, if it holds one."""
        if self.kind in {USER_ID, ANONYMOUS_ID}:
            return self.kind
        if self.kind in {EXTERNAL_IDS, SHA256} or (self.kind == TRAITS and self.name in _CONTACTS):
            return self.name
        return None


def read_mapping(mapping: Mapping[str, str]) -> list[Column]:
    """Return the columns that are used."""
    columns = [Column(title, *_target(target)) for title, target in mapping.items()]
    return [column for column in columns if column.kind != IGNORE]


def _target(target: str) -> tuple[str, str]:
    kind, _, name = target.partition(".")
    return (target, "") if target in _PLAIN_TARGETS else (kind, name)


def mapping_problems(mapping: Mapping[str, str], *, kind: str, rules: SourceRules) -> list[Problem]:
    """Return what is wrong with a mapping, as (`mapping.<column>`, detail)."""
    columns = read_mapping(mapping)
    problems = [
        (f"mapping.{column.title}", detail)
        for column in columns
        if (detail := _column_problem(column, kind=kind, rules=rules)) is not None
    ]
    once = [(column.kind, column.name) for column in columns if column.kind not in {EXTERNAL_IDS, SHA256}]
    problems += [
        (f"mapping.{column.title}", "Another column is the same.")
        for column in columns
        if once.count((column.kind, column.name)) > 1
    ]
    needed = 2 if kind == ID_SYNCS else 1
    if not problems and sum(column.namespace is not None for column in columns) < needed:
        problems.append(("mapping", f"At least {needed} of the columns must hold an identifier."))
    return problems


def _column_problem(column: Column, *, kind: str, rules: SourceRules) -> str | None:
    if column.kind in _PLAIN_TARGETS:
        return None
    if column.kind in {EXTERNAL_IDS, SHA256}:
        problem = namespace_problem(column.name, rules, is_hashed=column.kind == SHA256)
        return None if problem is None else problem[1]
    if column.kind != TRAITS:
        return _TARGETS
    if kind == ID_SYNCS:
        return "An id sync says nothing about traits."
    if not 0 < len(column.name) <= MAX_TRAIT_LENGTH or "\x00" in column.name or "" in column.name.split("."):
        return f"A trait has a name of 1 to {MAX_TRAIT_LENGTH} characters; a dot leads into an object."
    return None


def missing_columns(columns: Sequence[str], mapping: Mapping[str, str]) -> list[str]:
    """Return the columns that a mapping uses and a file does not have, or has twice."""
    return [column.title for column in read_mapping(mapping) if columns.count(column.title) != 1]


class EventMaker:
    """Makes identify events of one import's records."""

    def __init__(
        self,
        mapping: Mapping[str, str],
        *,
        kind: str,
        rules: SourceRules,
        as_of: str,
        purposes: Sequence[str],
        columns: Sequence[str] | None,
    ) -> None:
        self._columns = read_mapping(mapping)
        self._positions = {} if columns is None else {title: position for position, title in enumerate(columns)}
        self._needed = 2 if kind == ID_SYNCS else 1
        self._rules = rules
        self._as_of = as_of
        self._purposes = purposes

    def event_of(self, values: Sequence[str] | Mapping[str, Any], *, message_id: str) -> bytes | Problem:
        """Return the event that a record becomes, or (column, what is wrong with it)."""
        fields: dict[str, Any] = {}
        traits: dict[str, Any] = {}
        external_ids: list[dict[str, Any]] = []
        found, timestamp = 0, self._as_of
        for column in self._columns:
            value = self._value(values, column.title)
            if value is None:
                continue
            problem = self._problem(column, value)
            if problem is not None:
                return column.title, problem
            found += column.namespace is not None and not self._is_blocked(column, value)
            if column.kind == OCCURRED_AT:
                timestamp = _moment_text(value) or timestamp
            elif column.kind in {USER_ID, ANONYMOUS_ID}:
                fields["userId" if column.kind == USER_ID else "anonymousId"] = value
            elif column.kind == TRAITS:
                _put(traits, column.name.split("."), value)
            elif column.kind == SHA256:
                external_ids.append(external_id(column.name, sha256=str(value)))
            else:
                external_ids.append(external_id(column.name, value=cast("str | int", value)))  # _problem saw it
        if found < self._needed:
            return "", "No identifier." if self._needed == 1 else "Fewer than two identifiers."
        if traits:
            fields["traits"] = traits
        event = identify_event(
            message_id=message_id, timestamp=timestamp, external_ids=external_ids, purposes=self._purposes, **fields
        )
        return event if len(event) <= MAX_EVENT_BYTES else ("", f"More than {MAX_EVENT_BYTES} bytes.")

    def _value(self, values: Sequence[str] | Mapping[str, Any], title: str) -> Value:
        """Return what stands in a column; None when nothing does."""
        value = values.get(title) if isinstance(values, Mapping) else values[self._positions[title]]
        if isinstance(value, str):
            return value.strip() or None
        return value

    def _problem(self, column: Column, value: Value) -> str | None:
        if _has_nul(value):
            return "Text cannot hold the character U+0000."
        if column.kind == OCCURRED_AT:
            return None if _moment_text(value) else "A date, or a date and time (ISO 8601)."
        if column.kind == SHA256:
            problem = digest_problem(column.name, str(value), self._rules)
            return None if problem is None else problem[1]
        if column.namespace is None:
            return None
        if isinstance(value, dict | list | bool):
            return "Text or a number."
        problem = value_problem(column.namespace, value, self._rules)
        return None if problem is None else problem[1]

    def _is_blocked(self, column: Column, value: Value) -> bool:
        return column.kind != SHA256 and self._rules.blocks(column.namespace or "", value)


def _moment_text(value: Value) -> str | None:
    """Return a date and time as text that an event takes; also dates as people write them, of which the day begins."""
    if not isinstance(value, str):
        return None
    if moment(value) is not None:
        return value
    day = NORMALISERS["date"](value)
    return None if day is None or moment(day) is None else day


def _put(traits: dict[str, Any], path: Sequence[str], value: Value) -> None:
    *parents, last = path
    for name in parents:
        inner = traits.setdefault(name, {})
        if not isinstance(inner, dict):
            return
        traits = inner
    traits[last] = value


def _has_nul(value: Value) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _has_nul(item) for key, item in value.items())
    return isinstance(value, list) and any(_has_nul(item) for item in value)
