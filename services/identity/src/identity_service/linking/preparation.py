"""From records to comparable rows: what the comparisons and the blocking rules read, one row a record.

Names come in scripts that cannot be compared with each other, so each name is given in up to two forms: as written
(kanji or Latin letters) and as read (kana, or romaji turned into kana). Two records are compared in the forms that
both have.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from identity_service.linking.readings import (
    Readings,
    comparable_reading,
    learn_readings,
    listed_given_names,
    listed_surnames,
)
from identity_service.linking.results import PERSON_FIELDS, UnusableRecords
from identity_service.rules.normalisation.readings import is_kana, reading_value

if TYPE_CHECKING:
    import pyarrow as pa

KEYS = ("record_id", "customer_id", "source_id")
_KANJI = re.compile(r"[\u3400-\u9fff\uf900-\ufaff々〆]")
MOST_RECORDS_PER_CONTACT = 40
"""A phone number or address of more records than this is a call centre's or a dummy: it says nothing of who somebody
is."""

_CONTACTS = ("phone", "email")

Row = dict[str, str | None]


@dataclass(frozen=True)
class PreparedRecords:
    """Rows numbered by `record_number`: changed customers first, then by record_id, so that a run does not depend on
    the order of input."""

    rows: tuple[Row, ...]
    customer_ids: tuple[str, ...]
    changed: int
    """The first so many rows belong to changed customers; all of them when everything is compared with everything."""
    forms: tuple[Row, ...]
    """The comparable forms of each row."""
    columns: Mapping[str, list[str | None]]
    """The forms by column, for the engine; contact points that a crowd shares are null."""


def prepare(
    records: "pa.Table", *, changed_customers: frozenset[str] | None, number_fields: tuple[str, ...]
) -> PreparedRecords:
    """Read the table and derive the columns. Raises UnusableRecords."""
    rows = _read_rows(records, (*PERSON_FIELDS, *number_fields))
    rows.sort(key=lambda row: (not _is_changed(row, changed_customers), str(row["record_id"])))
    forms = tuple(_forms(row, number_fields) for row in rows)
    for part, listed in (("surname", listed_surnames), ("given", listed_given_names)):
        _guess_readings(forms, part, listed)
    return PreparedRecords(
        rows=tuple(rows),
        customer_ids=tuple(str(row["customer_id"]) for row in rows),
        changed=sum(_is_changed(row, changed_customers) for row in rows),
        forms=forms,
        columns=_by_column(forms),
    )


def _guess_readings(forms: tuple[Row, ...], part: str, listed: Callable[[], Readings]) -> None:
    """Fill in how the names that have only kanji may be read: `<part>_guesses` |a|b|, `<part>_sound` the likeliest one.

    `<part>_sound` of a name whose reading is known is that reading: it is what pairs are found by.
    """
    written, reading = f"{part}_written", f"{part}_reading"
    readings: Readings | None = None
    for row in forms:
        row[f"{part}_guesses"], row[f"{part}_sound"] = None, row[reading]
        kanji = row[written]
        if kanji is None or row[reading] is not None or row[f"{part}_script"] != "kanji":
            continue
        if readings is None:
            seen = (
                (str(other[written]), str(other[reading]))
                for other in forms
                if other[f"{part}_script"] == "kanji" and other[reading]
            )
            readings = learn_readings(seen, listed())
        if guesses := readings[kanji]:
            row[f"{part}_guesses"], row[f"{part}_sound"] = f"|{'|'.join(guesses)}|", guesses[0]


def _by_column(forms: tuple[Row, ...]) -> dict[str, list[str | None]]:
    columns = {name: [row[name] for row in forms] for name in forms[0]} if forms else {}
    return {name: _without_crowds(values) if name in _CONTACTS else values for name, values in columns.items()}


def _read_rows(records: "pa.Table", fields: tuple[str, ...]) -> list[Row]:
    missing = [name for name in (*KEYS, *fields) if name not in records.column_names]
    if missing:
        raise UnusableRecords(f"the records lack the columns {', '.join(missing)}")
    rows: list[Row] = records.select([*KEYS, *fields]).to_pylist()
    if any(row["record_id"] is None or row["customer_id"] is None for row in rows):
        raise UnusableRecords("a record lacks its record_id or customer_id")
    record_id, times = Counter(row["record_id"] for row in rows).most_common(1)[0] if rows else (None, 0)
    if times > 1:
        raise UnusableRecords(f"record_id {record_id} is there {times} times")
    return rows


def _is_changed(row: Row, changed_customers: frozenset[str] | None) -> bool:
    return changed_customers is None or row["customer_id"] in changed_customers


def _forms(row: Row, number_fields: tuple[str, ...]) -> Row:
    """The comparable forms of one record."""
    birth_date, email = row["birth_date"], row["email"]
    return {
        **_name_forms("surname", row["surname"], row["surname_kana"]),
        **_name_forms("given", row["given_name"], row["given_name_kana"]),
        "birth_date": birth_date,
        "birth_year": birth_date[:4] if birth_date else None,
        "birth_month": birth_date[5:7] if birth_date else None,
        "birth_day": birth_date[8:10] if birth_date else None,
        "birth_swapped": _swapped(birth_date),
        "gender": row["gender"],
        "email": email,
        "email_user": email.partition("@")[0] if email else None,
        "phone": row["phone"],
        "postal_code": row["postal_code"],
        "prefecture": row["prefecture"],
        "city": row["city"],
        "town": row["town"],
        "street": row["street"],
        "building": row["building"],
        **{name: row[name] for name in number_fields},
    }


def _name_forms(part: str, name: str | None, kana: str | None) -> Row:
    """The forms of a name: as written (in kanji or in Latin letters) with its script, and as read (short vowels, for
    romaji drops length)."""
    script = _script(name)
    reading = reading_value(kana or name)
    return {
        f"{part}_written": name if script else None,
        f"{part}_script": script,
        f"{part}_reading": comparable_reading(reading) if reading else None,
    }


def _script(name: str | None) -> str | None:
    """ "kanji", "latin", or None for kana, which is a reading and no spelling."""
    if not name:
        return None
    if _KANJI.search(name):
        return "kanji"
    return None if is_kana(name) else "latin"


def _swapped(birth_date: str | None) -> str | None:
    """The date with day and month exchanged: 1980-04-03 for 1980-03-04."""
    if birth_date is None or len(birth_date) != 10:
        return None
    return f"{birth_date[:5]}{birth_date[8:]}-{birth_date[5:7]}"


def _without_crowds(values: list[str | None]) -> list[str | None]:
    """Null in place of a value that too many records share."""
    times = Counter(values)
    return [None if value is None or times[value] > MOST_RECORDS_PER_CONTACT else value for value in values]
