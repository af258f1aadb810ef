"""Bought, de-identified data: how a file is read into cells, line by line, and what is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from profile_service.rules.identifying import is_identifying_name, is_identifying_value

SEGMENT, CELL_SIZE = "segment", "cell_size"
"""The two columns every file has."""
LINE = "line"
"""What a problem names where no column is to blame."""
MAX_TEXT_LENGTH = 100
MAX_NUMBER = Decimal(10) ** 15
MAX_PROBLEMS = 100
"""Shown of one file; all are counted."""

MeasureKind = Literal["integer", "number", "share"]
FileKind = Literal["csv", "ndjson"]


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


class CellReader:
    """Reads a file's lines into cells one by one, also after one that is refused; keeps only what it has to say."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.lines = 0
        self.refused = 0
        """Lines with a problem."""
        self.problems: list[LineProblem] = []
        """The first of them."""

    def read(self, line: int, values: Mapping[str, Any], *, problem: str | None = None) -> Cell | None:
        """Give the cell that a line is; None: it is refused."""
        self.lines += 1
        try:
            if problem is not None:
                raise _Refused(LINE, problem)
            return _cell(line, values, self._shape)
        except _Refused as refusal:
            self.refused += 1
            if len(self.problems) < MAX_PROBLEMS:
                self.problems.append(LineProblem(line, refusal.column, str(refusal)))
        return None

    def refuse_repeated(self, repeated: Sequence[tuple[int, int]], *, lines: int) -> None:
        """Refuse lines of cells that an earlier line was about: (line, earlier line), the first of so many lines."""
        self.refused += lines
        self.problems += [
            LineProblem(line, SEGMENT, f"Line {first} is of the same segment and dimensions.")
            for line, first in repeated
        ]
        self.problems = sorted(self.problems)[:MAX_PROBLEMS]


def header_problem(columns: Sequence[str], shape: Shape) -> str | None:
    """Why a CSV with these columns is not read, or None."""
    if sorted(columns) == sorted(shape.columns):
        return None
    return f"The header must name exactly these columns: {', '.join(sorted(shape.columns))}."


def _cell(number: int, row: Mapping[str, Any], shape: Shape) -> Cell:
    if row.keys() != shape.columns:
        raise _Refused(LINE, f"The line must have exactly these columns: {', '.join(sorted(shape.columns))}.")
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
    if _looks_like_somebody(text):
        raise _Refused(column, "The value looks like an identifier: a dataset is about segments, never about people.")
    return text


@lru_cache(maxsize=4096)
def _looks_like_somebody(text: str) -> bool:  # what divides segments is said again and again
    return is_identifying_value(text)


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
