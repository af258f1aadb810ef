"""The event that a record of an imported file becomes."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast
from zoneinfo import ZoneInfo

import msgspec

from identity_service.rules.import_mapping import (
    ANONYMOUS_ID,
    EVENTS,
    EXTERNAL_IDS,
    OCCURRED_AT,
    SHA256,
    USER_ID,
    Column,
    Constant,
    Target,
    identifiers_needed,
    read_constants,
    read_mapping,
)
from identity_service.rules.partners import Problem, SourceRules, digest_problem, external_id, value_problem
from identity_service.rules.records import (
    EVENT,
    PROPERTIES,
    RECORD_ID,
    Happened,
    Known,
    record_event,
    record_message_id,
    record_problem,
)
from identity_service.rules.tracking import free_json_problem
from identity_service.rules.typed_values import DATETIME, LIST, Value, expected, read_list, read_moment, read_typed


class Made(NamedTuple):
    """An event, and the message id by which a repetition of it is known."""

    event: bytes
    message_id: str


class _Read(NamedTuple):
    """What a record says, column by column."""

    ids: dict[str, Value]
    """userId, anonymousId"""
    external_ids: list[dict[str, Any]]
    saying: dict[str, Any]
    """Traits, or properties."""
    others: dict[str, Value]
    """event, record_id, occurred_at"""


class EventMaker:
    """Makes events of one import's records. `zone` is where times without an offset are meant."""

    def __init__(
        self,
        mapping: Mapping[str, Target],
        *,
        constants: Mapping[str, Constant],
        kind: str,
        rules: SourceRules,
        as_of: str,
        zone: ZoneInfo,
        purposes: Sequence[str],
        columns: Sequence[str] | None,
    ) -> None:
        self._columns = read_mapping(mapping)
        self._constants = read_constants(constants)
        said = [*self._columns, *(column for column, _ in self._constants)]
        self._titles = {(column.kind, column.name): column.title for column in said}
        self._positions = {} if columns is None else {title: position for position, title in enumerate(columns)}
        self._needed = identifiers_needed(kind)
        self._are_events = kind == EVENTS
        self._rules = rules
        self._as_of = as_of
        self._zone = zone
        self._purposes = purposes

    def event_of(self, values: Sequence[str] | Mapping[str, Any], *, message_id: str) -> Made | Problem:
        """Return the event that a record becomes, or (column, what is wrong with it).

        `message_id` is taken for a record that has no id of its own.
        """
        read = _Read({}, [], {}, {})
        for column, constant in self._constants:
            _take(read, column, constant)
        found = 0
        for column in self._columns:
            value = self._value(values, column.title)
            if value is None:
                continue
            problem = self._problem(column, value)
            if problem is not None:
                return column.title, problem
            value, problem = self._typed(column, value)
            if problem is not None:
                return column.title, problem
            found += column.namespace is not None and not self._is_blocked(column, value)
            _take(read, column, value)
        if found < self._needed:
            return "", "No identifier." if self._needed == 1 else "Fewer than two identifiers."
        return self._made(read, message_id)

    def _made(self, read: _Read, message_id: str) -> Made | Problem:
        event, record_id = read.others.get(EVENT), read.others.get(RECORD_ID)
        said = Happened(cast(str, event), read.saying) if self._are_events else Known(read.saying)
        problem = record_problem(said, record_id)
        if problem is not None:
            return self._title(problem[0]), problem[1]
        if record_id is not None and isinstance(said, Happened):
            message_id = record_message_id(said.event, cast("str | int", record_id))  # record_problem saw it
        timestamp = read_moment(read.others.get(OCCURRED_AT), self._zone) or self._as_of
        made = record_event(
            said,
            message_id=message_id,
            timestamp=timestamp,
            external_ids=read.external_ids,
            purposes=self._purposes,
            **read.ids,
        )
        return Made(made, message_id) if isinstance(made, bytes) else made

    def _title(self, field: str) -> str:
        """The column, or constant, that says what a problem names; where none does: its name."""
        kind, _, name = field.partition(".")
        return self._titles.get((kind, name), field)

    def _value(self, values: Sequence[str] | Mapping[str, Any], title: str) -> Value:
        """Return what stands in a column; None when nothing does."""
        value = values.get(title) if isinstance(values, Mapping) else values[self._positions[title]]
        if isinstance(value, str):
            return value.strip() or None
        return value

    def _problem(self, column: Column, value: Value) -> str | None:
        unfit = free_json_problem(value)
        if unfit is not None:
            return unfit
        if column.kind == OCCURRED_AT:
            return None if read_moment(value, self._zone) else expected(DATETIME)
        if column.kind == SHA256:
            problem = digest_problem(column.name, str(value), self._rules)
            return None if problem is None else problem[1]
        if column.namespace is None:
            return None
        if isinstance(value, dict | list | bool):
            return "Text or a number."
        problem = value_problem(column.namespace, value, self._rules)
        return None if problem is None else problem[1]

    def _typed(self, column: Column, value: Value) -> tuple[Value, str | None]:
        """Return a value as its column's type, and what is wrong with it."""
        if column.type is None:
            return value, None
        if column.type == LIST:
            read = read_list(value, separator=column.separator, elements=column.elements, zone=self._zone)
            return (None, read) if isinstance(read, str) else (read, None)
        typed = read_typed(value, column.type, self._zone)
        return typed, expected(column.type) if typed is None else None

    def _is_blocked(self, column: Column, value: Value) -> bool:
        return column.kind != SHA256 and self._rules.blocks(column.namespace or "", value)


def _take(read: _Read, column: Column, value: Value) -> None:
    if column.kind in {USER_ID, ANONYMOUS_ID}:
        read.ids["userId" if column.kind == USER_ID else "anonymousId"] = value
    elif column.kind == SHA256:
        read.external_ids.append(external_id(column.name, sha256=str(value)))
    elif column.kind == EXTERNAL_IDS:
        read.external_ids.append(external_id(column.name, value=cast("str | int", value)))  # its problem was looked for
    elif column.kind in {EVENT, RECORD_ID, OCCURRED_AT}:
        read.others[column.kind] = value
    else:
        _put(read.saying, column.name.split("."), value)


def _put(saying: dict[str, Any], path: Sequence[str], value: Value) -> None:
    *parents, last = path
    for name in parents:
        saying = saying.setdefault(name, {})  # always an object: no column leads into another one
    saying[last] = value


def outline(event: bytes) -> dict[str, Any]:
    """Return what an event says without saying it: its name, its identifiers' namespaces, and the types of the rest."""
    said = msgspec.json.decode(event)
    plain = [name for key, name in (("userId", USER_ID), ("anonymousId", ANONYMOUS_ID)) if key in said]
    external = [f"{SHA256}.{one['type']}" if "sha256" in one else one["type"] for one in said["context"]["externalIds"]]
    return {
        "type": said["type"],
        "event": said.get(EVENT),
        "identifiers": plain + external,
        "traits": _types(said.get("traits", {})),
        "properties": _types(said.get(PROPERTIES, {})),
    }


def _types(said: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    types: dict[str, str] = {}
    for name, value in said.items():
        if isinstance(value, dict):
            types |= _types(value, f"{prefix}{name}.")
        else:
            types[f"{prefix}{name}"] = _TYPE_NAMES.get(type(value), "null")
    return types


_TYPE_NAMES = {str: "text", int: "number", float: "number", bool: "boolean", list: "list"}
