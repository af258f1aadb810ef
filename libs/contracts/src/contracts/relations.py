"""Events by which departments' systems pass on dates of related persons; their content is for one purpose only.

How they are read stands here, too: whoever takes them in refuses at the door what profile would refuse. A customer says
something about somebody else. So as little as the purpose needs is taken - whose date in a word, which occasion, the
day - and nothing by which that person could be found elsewhere.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID, uuid5

RELATION_DATE_GIVEN = "Relation Date Given"
RELATION_DATE_WITHDRAWN = "Relation Date Withdrawn"

FOR_ONE_PURPOSE = frozenset({RELATION_DATE_GIVEN, RELATION_DATE_WITHDRAWN})
"""Who consumes events takes nothing from the properties of these: profile keeps them, by purpose."""

MAX_LABEL_LENGTH = 40
MAX_LABEL_DIGITS = 2
"""`2nd child` has one; a telephone number, a member's number or a birthday has more."""
FIRST_YEAR, LAST_YEAR = 1850, 2100

_NAMESPACE = UUID("7d3f0d3e-3c52-4a55-9d6a-0a6c1a3f5f04")
_PURPOSE = re.compile(r"[a-z][a-z0-9_-]{0,62}")
_DATE = re.compile(r"(?:([0-9]{4})|-)-([0-9]{2})-([0-9]{2})")
_JOINING = frozenset(" -'’・ー")
_LEAP_YEAR = 2000


class Unfit(ValueError):
    """A statement that is not taken. `field` is what is wrong with it; the text repeats nothing that was said."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
        self.detail = detail


class Day(NamedTuple):
    """A day of the calendar; year None: unknown."""

    month: int
    day: int
    year: int | None

    def __str__(self) -> str:
        year = "-" if self.year is None else f"{self.year:04}"
        return f"{year}-{self.month:02}-{self.day:02}"


@dataclass(frozen=True)
class RelationDate:
    """Whose day, of which occasion, for what it may be used, until which day (included; None: until taken back)."""

    relation: str
    occasion: str
    day: Day
    purpose: str
    until: date | None = None


class Said(NamedTuple):
    """What an event of FOR_ONE_PURPOSE says: the relation, and its date unless it was taken back."""

    relation_id: UUID
    given: RelationDate | None


def read_day(value: object) -> Day:
    """Read `2019-03-14`, `--03-14` (year unknown; ISO 8601:2000, vCard) or `{month, day, year?}`.

    Raises:
        Unfit: it is none of these, or there is no such day.
    """
    if isinstance(value, str) and (match := _DATE.fullmatch(value)) is not None:
        year, month, day = match.groups()
        found = Day(int(month), int(day), None if year is None else int(year))
    elif isinstance(value, Mapping) and value.keys() <= {"month", "day", "year"}:
        if not all(_is_integer(value.get(part)) for part in ("month", "day")) or not (
            value.get("year") is None or _is_integer(value["year"])
        ):
            raise Unfit("date", "month and day are whole numbers, year too or left out.")
        found = Day(value["month"], value["day"], value.get("year"))
    else:
        raise Unfit("date", "Give YYYY-MM-DD, --MM-DD where the year is unknown, or {month, day, year}.")
    if found.year is not None and not FIRST_YEAR <= found.year <= LAST_YEAR:
        raise Unfit("date", f"The year must be between {FIRST_YEAR} and {LAST_YEAR}; leave out an unknown one.")
    try:
        date(_LEAP_YEAR if found.year is None else found.year, found.month, found.day)
    except (ValueError, OverflowError):
        raise Unfit("date", "There is no such day.") from None
    return found


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def plain_label(text: str) -> str:
    """A label as it is kept and compared: `Wife` and `wife` mean the same."""
    return unicodedata.normalize("NFC", text.casefold()).strip()


def read_label(value: object, field: str) -> str:
    """Read a word or two such as `wife`: no name is needed, nothing that looks like an identifier is taken.

    Labels are kept in lower case: departments that write `Wife` and `wife` mean the same.

    Raises:
        Unfit: it is no such label.
    """
    if not isinstance(value, str) or not (label := plain_label(value)):
        raise Unfit(field, "Give a label, such as wife or birthday.")
    if len(label) > MAX_LABEL_LENGTH:
        raise Unfit(field, f"A label has at most {MAX_LABEL_LENGTH} characters.")
    digits = sum(character.isnumeric() and not character.isalpha() for character in label)
    letters = all(character.isalpha() or unicodedata.category(character).startswith("M") or character.isnumeric()
                  for character in label if character not in _JOINING)  # fmt: skip
    if not letters or digits > MAX_LABEL_DIGITS:
        raise Unfit(field, "A label is made of letters. E-mail addresses, telephone numbers and other ids are refused.")
    return label


def read_purpose(value: object) -> str:
    """Read a purpose's key.

    Raises:
        Unfit: it is none.
    """
    if not isinstance(value, str) or _PURPOSE.fullmatch(value) is None:
        raise Unfit("purpose", "Say what it may be used for: a key of lower-case letters, digits, _ and -.")
    return value


def read_until(value: object) -> date | None:
    """Read the last day of use, `YYYY-MM-DD`, or None.

    Raises:
        Unfit: it is no day.
    """
    if value is None:
        return None
    try:
        return date.fromisoformat(value) if isinstance(value, str) and len(value) == len("2026-11-22") else _no_day()
    except ValueError:
        return _no_day()


def _no_day() -> date:
    raise Unfit("until", "Give the last day of use as YYYY-MM-DD.")


def read_given(properties: Mapping[str, Any]) -> RelationDate:  # free JSON by the Segment specification
    """Read what a source says in `Relation Date Given`.

    Raises:
        Unfit: it cannot be taken.
    """
    return RelationDate(
        relation=read_label(properties.get("relation"), "relation"),
        occasion=read_label(properties.get("occasion"), "occasion"),
        day=read_day(properties.get("date")),
        purpose=read_purpose(properties.get("purpose")),
        until=read_until(properties.get("until")),
    )


def derived_relation_id(properties: Mapping[str, Any]) -> UUID:  # free JSON by the Segment specification
    """The id of what a source speaks of: by purpose, relation, occasion and `which` (a label, to tell children apart).

    So a source that says it again corrects it, and a merge makes one of two customers' same relation. Another purpose
    is always another relation.

    Raises:
        Unfit: one of them cannot be taken.
    """
    which = properties.get("which")
    parts = [
        read_purpose(properties.get("purpose")),
        read_label(properties.get("relation"), "relation"),
        read_label(properties.get("occasion"), "occasion"),
        "" if which is None else read_label(which, "which"),
    ]
    return uuid5(_NAMESPACE, "\n".join(parts))


def read_event(name: str, properties: Mapping[str, Any]) -> Said:  # free JSON by the Segment specification
    """Read an event of FOR_ONE_PURPOSE.

    Raises:
        Unfit: it cannot be taken.
    """
    given = read_given(properties) if name == RELATION_DATE_GIVEN else None
    named = properties.get("relation_id")
    if given is not None and named is not None:
        raise Unfit("relation_id", "An event gives a relation by what it says; its id follows from that.")
    return Said(derived_relation_id(properties) if named is None else _read_id(named), given)


def _read_id(value: object) -> UUID:
    try:
        return UUID(str(value))
    except ValueError:
        raise Unfit("relation_id", "Give the relation's id, or what it was given with.") from None
