"""What stands in a department's file, as the type that its column is said to have.

CSV has text only. Sums, comparisons and windows need numbers, truth values and dates; so a mapping may say what a
column is. Whatever can be read in two ways is refused, never guessed.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from identity_service.rules.normalisation.dates import date_value
from identity_service.rules.normalisation.text import dashes, lower, nfkc
from identity_service.rules.tracking import moment

TEXT, NUMBER, BOOLEAN, DATE, DATETIME, LIST = "text", "number", "boolean", "date", "datetime", "list"

MAX_DIGITS = 15
"""What a double of IEEE 754 holds exactly, as readers of JSON do."""

_LOSSES = str.maketrans("▲△", "--")
"""Japanese bookkeeping writes a loss, or what was given back, with a triangle."""
_NUMBER = re.compile(r"([+-]?)(?:[¥\\]\s*)?([+-]?)([0-9]+|[0-9]{1,3}(?:,[0-9]{3})+)(\.[0-9]+)?\s*円?")
"""`\\` is what CP932 has where Japanese fonts draw ¥."""
_TRUE = frozenset({"true", "t", "yes", "y", "on", "1", "はい", "有", "有り", "あり", "○", "〇", "◯"})
_FALSE = frozenset({"false", "f", "no", "n", "off", "0", "いいえ", "無", "無し", "なし", "×", "✕"})
_TIME = re.compile(
    r"(?P<day>.*[0-9日)])(?:t|\s+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:\.[0-9]+)?)?"
)
_PACKED = re.compile(r"([0-9]{8})([0-9]{2})([0-9]{2})([0-9]{2})?")

Value = str | int | float | bool | dict[str, Any] | list[Any] | None  # Any: free JSON


class _Type(NamedTuple):
    read: Callable[[Value, ZoneInfo], str | int | float | bool | None]
    """None: it cannot be read."""
    expected: str


def read_number(value: Value) -> int | float | None:
    """Read a number as tills, spreadsheets and bookkeepers write it: `1,200`, `１２００`, `¥1,200`, `1200円`, `▲300`.

    A comma only stands between groups of three digits, a point only before decimals. None: 1,5 and 1.234,56 could mean
    two things, 1.2E+05 has lost its digits, more than 15 digits would lose some.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    if not isinstance(value, str):
        return None
    found = _NUMBER.fullmatch(dashes(nfkc(value)).translate(_LOSSES))
    if found is None or (found[1] and found[2]):
        return None
    whole, decimals = found[3].replace(",", "").lstrip("0"), (found[4] or "").rstrip("0").rstrip(".")
    if len(whole) + len(decimals.removeprefix(".")) > MAX_DIGITS:
        return None
    number = float(f"{whole}{decimals}") if decimals else int(whole or "0")
    return -number if "-" in {found[1], found[2]} else number


def read_boolean(value: Value) -> bool | None:
    """Read a truth value: true/false, yes/no, 1/0, はい/いいえ, 有/無, ○/×."""
    if isinstance(value, bool):
        return value
    text = lower(str(value)) if isinstance(value, str | int) else ""
    return True if text in _TRUE else False if text in _FALSE else None


def read_moment(value: Value, zone: ZoneInfo) -> str | None:
    """Read a date and time as ISO 8601 with its offset; without one it is meant in `zone`. A date is its beginning.

    Taken are ISO 8601, `2026/11/20 9:05`, `20261120090500`, and dates as people write them (see `date_value`).
    """
    if not isinstance(value, str):
        return None
    text = dashes(nfkc(value))
    try:
        found: datetime | None = datetime.fromisoformat(text)
    except ValueError:
        found = _written_moment(text)
    if found is None:
        return None
    iso = (found.replace(tzinfo=zone) if found.tzinfo is None else found).isoformat()
    return None if moment(iso) is None else iso


def _written_moment(text: str) -> datetime | None:
    packed = _PACKED.fullmatch(text)
    if packed is not None:
        text = f"{packed[1]} {packed[2]}:{packed[3]}:{packed[4] or '00'}"
    parts = _TIME.fullmatch(text.lower())
    if parts is None and ":" in text:
        return None  # a time that is not understood is no reason to take the day alone
    day = date_value(text if parts is None else parts["day"])
    if day is None:
        return None
    try:
        at = time() if parts is None else time(int(parts["hour"]), int(parts["minute"]), int(parts["second"] or 0))
    except ValueError:
        return None
    return datetime.combine(date.fromisoformat(day), at)


def _read_text(value: Value, _: ZoneInfo) -> str | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value if isinstance(value, str) else None


_TYPES: Mapping[str, _Type] = {
    TEXT: _Type(_read_text, "Text."),
    NUMBER: _Type(
        lambda value, _: read_number(value),
        f"A number of at most {MAX_DIGITS} digits, such as 1200, 1,200 or -3.5; commas only between three digits.",
    ),
    BOOLEAN: _Type(lambda value, _: read_boolean(value), "A truth value, such as true/false, 1/0, はい/いいえ."),
    DATE: _Type(lambda value, _: date_value(value), "A date, such as 2026-11-20, 2026/11/20 or 令和8年11月20日."),
    DATETIME: _Type(read_moment, "A date, or a date and time, such as 2026-11-20T09:05:00+09:00 or 2026/11/20 9:05."),
}
TYPES = frozenset({*_TYPES, LIST})


def read_list(
    value: Value, *, separator: str | None, elements: str, zone: ZoneInfo
) -> list[str | int | float | bool] | str:
    """Return a list, each element read as the type `elements`; or say what is wrong with it, never quoting it.

    Text is cut at `separator` (None: only what is a list already is one); blanks around an element are left out.
    A place with nothing in it is refused: it could be an element that was forgotten, or none.
    """
    if isinstance(value, str) and separator is not None:
        value = list(value.split(separator))
    if not isinstance(value, list):
        return "A list." if separator is None else f"A list, or text with {separator!r} between its elements."
    read = []
    for place, element in enumerate(value, start=1):
        said = element.strip() if isinstance(element, str) else element
        if said is None or said == "":
            return f"Element {place}: nothing stands there."
        typed = read_typed(said, elements, zone)
        if typed is None:
            return f"Element {place}: {expected(elements)}"
        read.append(typed)
    return read


def read_typed(value: Value, type_name: str, zone: ZoneInfo) -> str | int | float | bool | None:
    """Return a value as a type of TYPES other than a list, or None when it is none."""
    return _TYPES[type_name].read(value, zone)


def expected(type_name: str) -> str:
    """Say what a column of a type may hold."""
    return _TYPES[type_name].expected
