"""Bought, de-identified data: how a file is read into cells, line by line, and what is refused."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Self, TypeGuard

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


class Cells(NamedTuple):
    """Many cells, column by column: dimensions and measures by name, and of each its value in every cell."""

    lines: Sequence[int]
    segments: Sequence[str]
    dimensions: Mapping[str, Sequence[str]]
    cell_sizes: Sequence[int]
    measures: Mapping[str, Sequence[int | float | None]]

    @classmethod
    def of(cls, cell: Cell) -> Self:
        """One cell as many."""
        return cls(
            [cell.line],
            [cell.segment],
            {name: [value] for name, value in cell.dimensions.items()},
            [cell.cell_size],
            {name: [value] for name, value in cell.measures.items()},
        )


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


class _OneByOne(Exception):
    """These lines cannot be read together."""


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

    def read_together(self, line: int, columns: Mapping[str, Sequence[object]]) -> Cells | None:
        """Give the cells that lines from this one on are, column by column, with what stands in each line.

        None: one of them is refused, or written so that it must be looked at by itself; nothing is counted then, and
        `read` takes them one by one. What this gives is what `read` gives, for a fifth of the time.
        """
        try:
            cells = _cells(line, columns, self._shape)
        except _OneByOne:
            return None
        self.lines += len(cells.lines)
        return cells

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


def _cells(number: int, columns: Mapping[str, Sequence[object]], shape: Shape) -> Cells:
    """As `_cell` of each line.

    Raises:
        _OneByOne: one is refused, or must be looked at by itself.
    """
    segments = columns[SEGMENT]
    sizes = [size for size in _numbers(columns[CELL_SIZE], "integer") if isinstance(size, int)]
    if not _are_texts(segments) or not shape.segment_keys.issuperset(segments):
        raise _OneByOne
    if len(sizes) != len(segments) or min(sizes) < shape.minimum_cell_size:
        raise _OneByOne
    return Cells(
        lines=range(number, number + len(segments)),
        segments=segments,
        dimensions={name: _texts(columns[name]) for name in shape.dimensions},
        cell_sizes=sizes,
        measures={name: _numbers(columns[name], kind) for name, kind in shape.measures.items()},
    )


def _text(value: object, column: str) -> str:
    text = str(value) if isinstance(value, str | int | float | bool) else ""
    if not _is_label(text):
        raise _Refused(column, f"Give a text of 1 to {MAX_TEXT_LENGTH} characters.")
    if _looks_like_somebody(text):
        raise _Refused(column, "The value looks like an identifier: a dataset is about segments, never about people.")
    return text


def _texts(values: Sequence[object]) -> Sequence[str]:
    """As `_text` reads each of them, if all are text."""
    if not _are_texts(values) or not all(_is_label(text) and not _looks_like_somebody(text) for text in set(values)):
        raise _OneByOne
    return values


def _are_texts(values: Sequence[object]) -> TypeGuard[Sequence[str]]:
    return set(map(type, values)) == {str}


def _is_label(text: str) -> bool:
    return 0 < len(text) <= MAX_TEXT_LENGTH and text.isprintable()


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


def _numbers(values: Sequence[object], kind: MeasureKind) -> Sequence[int | float | None]:
    """As `_number` reads each of them, if all are numbers, or written as JSON writes numbers."""
    numbers = _written_numbers(values) if _are_texts(values) else values
    if not _are_numbers(numbers):
        raise _OneByOne
    whole = [number if type(number) is not float or number % 1 else int(number) for number in numbers]
    given = [number for number in whole if number is not None]
    least, most = min(given, default=0), max(given, default=0)
    is_good = least > -MAX_NUMBER and most < MAX_NUMBER
    if kind == "integer":
        is_good = is_good and float not in map(type, given)
    if kind == "share":
        is_good = is_good and least >= 0 and most <= 1
    if not is_good:
        raise _OneByOne
    return whole


def _are_numbers(values: Sequence[object]) -> TypeGuard[Sequence[int | float | None]]:
    return {int, float, type(None)}.issuperset(map(type, values))


def _written_numbers(texts: Sequence[str]) -> Sequence[object]:
    """Read them all as one array of JSON."""
    written = ",".join([text or "null" for text in texts])
    try:
        numbers: list[object] = _array_decoder.decode(f"[{written}]")
    except (ValueError, RecursionError):
        raise _OneByOne from None
    are_one_each = len(numbers) == len(texts) and numbers.count(None) == texts.count("")
    if not are_one_each or "e" in written or "E" in written:  # or 1e-400: it is read as 0
        raise _OneByOne
    if max(map(len, texts)) > _EXACT_LENGTH and any(type(number) is float and not number % 1 for number in numbers):
        raise _OneByOne  # whole only because a float has no more digits
    return numbers


def _no_number(constant: str) -> None:
    raise ValueError(constant)


_array_decoder = json.JSONDecoder(parse_constant=_no_number)
_EXACT_LENGTH = 16
"""A float keeps 15 digits, whatever they are; with them stands a point."""
