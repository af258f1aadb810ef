"""Bought, de-identified data: how a file is read into cells, line by line, and what is refused."""

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal, NamedTuple

from profile_service.rules.identifying import is_identifying_name, is_identifying_value

SEGMENT, CELL_SIZE = "segment", "cell_size"
"""The two columns every file has."""
MAX_TEXT_LENGTH = 100
MAX_NUMBER = Decimal(10) ** 15
MAX_PROBLEMS = 100
"""Shown of one file; all are counted."""

MeasureKind = Literal["integer", "number", "share"]
FileKind = Literal["csv", "ndjson"]


class Unreadable(ValueError):
    """The file as a whole cannot be read: not UTF-8, no header."""


class LineProblem(NamedTuple):
    """What is wrong with a line (the header is line 1 of a CSV), in which column."""

    line: int
    column: str
    detail: str


class Cell(NamedTuple):
    """So many people of a segment, alike in the dimensions; numbers by measure, None where nothing was measured."""

    line: int
    segment: str
    dimensions: dict[str, str]
    cell_size: int
    measures: dict[str, int | float | None]


@dataclass(frozen=True)
class Shape:
    """What a file must look like."""

    segment_keys: frozenset[str]
    dimensions: Sequence[str]
    measures: Mapping[str, MeasureKind]
    minimum_cell_size: int

    @property
    def columns(self) -> frozenset[str]:
        """All of them; none may be left out."""
        return frozenset({SEGMENT, CELL_SIZE, *self.dimensions, *self.measures})


@dataclass(frozen=True)
class ReadFile:
    """A file as it was read: nothing of it is taken while there is a problem."""

    lines: int
    cells: list[Cell]
    problems: list[LineProblem]
    """The first of them."""
    refused: int
    """Lines with a problem."""


class _Refused(ValueError):
    def __init__(self, column: str, detail: str) -> None:
        super().__init__(detail)
        self.column = column
        self.detail = detail


def column_problem(name: str) -> str | None:
    """Why a column of this name is refused, or None."""
    if name in {SEGMENT, CELL_SIZE}:
        return "Every dataset has this column by itself."
    if is_identifying_name(name):
        return "A column of this name identifies people. A dataset is about segments, never about customers."
    return None


def read_file(content: bytes, kind: FileKind, shape: Shape) -> ReadFile:
    """Read every line, also after one that is refused.

    Raises:
        Unreadable: it is not UTF-8, or its columns are not those of the dataset.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable("The file is not UTF-8.") from None
    lines, cells, problems, refused = 0, list[Cell](), list[LineProblem](), 0
    seen: dict[tuple[str, ...], int] = {}
    for number, row in _csv_rows(text, shape) if kind == "csv" else _json_rows(text):
        lines += 1
        try:
            cell = _cell(number, row, shape)
            place = (cell.segment, *cell.dimensions.values())
            if seen.setdefault(place, number) != number:
                raise _Refused(SEGMENT, f"Line {seen[place]} is of the same segment and dimensions.")
            cells.append(cell)
        except _Refused as refusal:
            refused += 1
            if len(problems) < MAX_PROBLEMS:
                problems.append(LineProblem(number, refusal.column, refusal.detail))
    return ReadFile(lines, cells, problems, refused)


def _csv_rows(text: str, shape: Shape) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, None)
    except csv.Error:
        header = None
    if not header:
        raise Unreadable("The file has no header.")
    if sorted(header) != sorted(shape.columns):
        raise Unreadable(f"The header must name exactly these columns: {', '.join(sorted(shape.columns))}.")
    while True:
        try:
            row = next(reader, None)
        except csv.Error:
            yield reader.line_num, "The line is no CSV."
            continue
        if row is None:
            return
        if row:
            fits = len(row) == len(header)
            yield reader.line_num, dict(zip(header, row, strict=True)) if fits else "The line has other columns."


def _json_rows(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            value = None
        yield number, value if isinstance(value, dict) else "The line is no JSON object."


def _cell(number: int, row: Mapping[str, Any] | str, shape: Shape) -> Cell:
    if isinstance(row, str):
        raise _Refused("line", row)
    if row.keys() != shape.columns:
        raise _Refused("line", f"The line must have exactly these columns: {', '.join(sorted(shape.columns))}.")
    if not isinstance(row[SEGMENT], str) or row[SEGMENT] not in shape.segment_keys:
        raise _Refused(SEGMENT, "The dataset is not about a segment of this key.")
    size = _number(row[CELL_SIZE], "integer", CELL_SIZE)
    if size is None or size < shape.minimum_cell_size:
        raise _Refused(CELL_SIZE, f"A cell has at least {shape.minimum_cell_size} people.")
    return Cell(
        line=number,
        segment=row[SEGMENT],
        dimensions={name: _text(row[name], name) for name in shape.dimensions},
        cell_size=int(size),
        measures={name: _number(row[name], kind, name) for name, kind in shape.measures.items()},
    )


def _text(value: object, column: str) -> str:
    text = str(value) if isinstance(value, str | int | float | bool) else ""
    if not text or len(text) > MAX_TEXT_LENGTH or "\0" in text or not text.isprintable():
        raise _Refused(column, f"Give a text of 1 to {MAX_TEXT_LENGTH} characters.")
    if is_identifying_value(text):
        raise _Refused(column, "The value looks like an identifier: a dataset is about segments, never about people.")
    return text


def _number(value: object, kind: MeasureKind, column: str) -> int | float | None:
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _Refused(column, "Give a number.")
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        raise _Refused(column, "Give a number.") from None
    if not number.is_finite() or abs(number) >= MAX_NUMBER:
        raise _Refused(column, "Give a number of at most 15 digits.")
    if kind == "integer" and number != number.to_integral_value():
        raise _Refused(column, "Give a whole number.")
    if kind == "share" and not 0 <= number <= 1:
        raise _Refused(column, "A share lies between 0 and 1.")
    return int(number) if number == number.to_integral_value() else float(number)
