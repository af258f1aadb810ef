"""JSON values - traits and properties - in SQL: compared, and read as a number, a text, a moment or a day."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from profile_service.conditions import nodes as n

OPERATORS = {"eq": "=", "ne": "<>", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}

# ISO 8601 as people write it; whether there is such a day, PostgreSQL says
_MOMENT = (
    "^[12][0-9]{3}-[0-9]{2}-[0-9]{2}([T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\\.[0-9]{1,6})?)?"
    "(Z|[+-](0[0-9]|1[0-4]):?[0-5][0-9])?)?$"
)
_HAS_OFFSET = "(Z|[+-][0-9]{2}:?[0-9]{2})$"


@dataclass
class Parameters:
    """Values bound to the statement, each once."""

    first: int
    values: list[object] = field(default_factory=list)
    _places: dict[tuple[str, object], str] = field(default_factory=dict)

    def add(self, value: object, kind: str) -> str:
        """The value's place in the statement, with its type."""
        key = (kind, tuple(value) if isinstance(value, list) else value)
        if key not in self._places:
            self._places[key] = f"${self.first + len(self.values)}::{kind}"
            self.values.append(value)
        return self._places[key]


def compare(
    value: str,
    comparison: str,
    other: n.Plain | tuple[n.Plain, ...] | None,
    parameters: Parameters,
    *,
    number: str = "",
) -> str:
    """Compare a jsonb expression; where it has another type than asked for, the result is null.

    `number` is the expression to read a number by, if it is not the value's own.
    """
    number = number or f"{value}::numeric"
    if comparison == "exists" or other is None:
        kind = f"jsonb_typeof({value})"
        return f"CASE WHEN {kind} = 'number' THEN {number} IS NOT NULL ELSE {kind} <> 'null' END"
    if isinstance(other, tuple):
        if comparison == "contains_any":
            return f"CASE WHEN jsonb_typeof({value}) = 'array' THEN {_holds_any(value, other, parameters)} END"
        return _among(value, other, parameters, number=number)
    text = f"({value} #>> '{{}}') COLLATE \"C\""
    if comparison == "contains":
        within = (
            f"WHEN 'string' THEN strpos({text}, {parameters.add(other, 'text')}) > 0 " if isinstance(other, str) else ""
        )
        return f"CASE jsonb_typeof({value}) {within}WHEN 'array' THEN {_holds_any(value, (other,), parameters)} END"
    if comparison == "starts_with":
        return (
            f"CASE WHEN jsonb_typeof({value}) = 'string' THEN starts_with({text}, {parameters.add(other, 'text')}) END"
        )
    sign = OPERATORS[comparison]
    if isinstance(other, n.Truth):
        parameter = parameters.add(other.value, "boolean")
        return f"CASE WHEN jsonb_typeof({value}) = 'boolean' THEN {value}::boolean {sign} {parameter} END"
    if isinstance(other, str):
        return f"CASE WHEN jsonb_typeof({value}) = 'string' THEN {text} {sign} {parameters.add(other, 'text')} END"
    return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN {number} {sign} {parameters.add(other, 'numeric')} END"


def _sorted_out(values: tuple[n.Plain, ...]) -> tuple[list[str], list[Decimal], list[bool]]:
    texts = [each for each in values if isinstance(each, str)]
    numbers = [each for each in values if isinstance(each, Decimal)]
    return texts, numbers, [each.value for each in values if isinstance(each, n.Truth)]


def _among(value: str, values: tuple[n.Plain, ...], parameters: Parameters, *, number: str) -> str:
    texts, numbers, truths = _sorted_out(values)
    cases = []
    if texts:
        cases.append(f"WHEN 'string' THEN {value} #>> '{{}}' = ANY({parameters.add(texts, 'text[]')})")
    if numbers:
        cases.append(f"WHEN 'number' THEN {number} = ANY({parameters.add(numbers, 'numeric[]')})")
    if truths:
        cases.append(f"WHEN 'boolean' THEN {value}::boolean = ANY({parameters.add(truths, 'boolean[]')})")
    return f"CASE jsonb_typeof({value}) {' '.join(cases)} END"


def _holds_any(value: str, values: tuple[n.Plain, ...], parameters: Parameters) -> str:
    """Whether a jsonb array holds one of them. An array contains a scalar by JSON's own equality: 1 is 1.0."""
    texts, numbers, truths = _sorted_out(values)
    tests = [f"{value} ?| {parameters.add(texts, 'text[]')}"] if texts else []
    tests += [f"{value} @> to_jsonb({parameters.add(each, 'numeric')})" for each in numbers]
    tests += [f"{value} @> to_jsonb({parameters.add(each, 'boolean')})" for each in truths]
    return f"({' OR '.join(tests)})"


def property_filter(each: n.Filter, parameters: Parameters, promoted: Mapping[str, str], *, alias: str = "e") -> str:
    """A filter over events; null counts as false."""
    column = f"{alias}.{promoted[each.property]}" if each.property in promoted else ""
    if is_promoted(each, promoted):
        if isinstance(each.value, tuple):
            return f"{column} = ANY({parameters.add(list(each.value), 'numeric[]')})"
        return f"{column} {OPERATORS[each.comparison]} {parameters.add(each.value, 'numeric')}"
    value = f"({alias}.properties -> {parameters.add(each.property, 'text')})"
    return compare(value, each.comparison, each.value, parameters, number=column)


def is_promoted(each: n.Filter, promoted: Mapping[str, str]) -> bool:
    """Whether a column of its own answers the filter, so that an index can."""
    values = each.value if isinstance(each.value, tuple) else (each.value,)
    compares = each.comparison in OPERATORS or each.comparison == "in"
    return compares and each.property in promoted and all(isinstance(value, Decimal) for value in values)


def property_number(name: str, parameters: Parameters, promoted: Mapping[str, str]) -> str:
    """A property of `events e` as a number; null when it is none."""
    if name in promoted:
        return f"e.{promoted[name]}"
    return as_number(f"(e.properties -> {parameters.add(name, 'text')})")


def as_number(value: str) -> str:
    """A jsonb expression as a number; null when it is none."""
    return f"CASE WHEN jsonb_typeof({value}) = 'number' THEN {value}::numeric END"


def as_text(value: str) -> str:
    """A jsonb expression as a text; null when it is none."""
    return f"CASE WHEN jsonb_typeof({value}) = 'string' THEN {value} #>> '{{}}' END"


def as_moment(value: str, zone: str) -> str:
    """A jsonb text as a moment; without an offset in the zone, a date being the midnight it begins with."""
    text = f"({value} #>> '{{}}')"
    return _where_moment(
        value,
        f"CASE WHEN {_has_offset(text)} THEN {text}::timestamptz ELSE {text}::timestamp AT TIME ZONE {zone} END",
    )


def as_day(value: str, zone: str) -> str:
    """A jsonb text as a day of the zone."""
    text = f"({value} #>> '{{}}')"
    local = f"({text}::timestamptz AT TIME ZONE {zone})::date"
    return _where_moment(value, f"CASE WHEN {_has_offset(text)} THEN {local} ELSE left({text}, 10)::date END")


def _where_moment(value: str, result: str) -> str:
    text = f"({value} #>> '{{}}')"
    return (
        f"CASE WHEN jsonb_typeof({value}) = 'string' AND {text} ~ '{_MOMENT}' "
        f"AND pg_input_is_valid({text}, 'timestamptz') THEN {result} END"
    )


def _has_offset(text: str) -> str:
    return f"length({text}) > 10 AND {text} ~ '{_HAS_OFFSET}'"
