"""Bought, de-identified data: described, imported, read beside a segment. Nothing here knows a customer."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import IO, Any, NamedTuple, cast

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository import insights
from profile_service.repository.insights import CellRow, DatasetRow, ReadRow
from profile_service.rules.insights import (
    MAX_PROBLEMS,
    Cell,
    CellReader,
    Cells,
    FileKind,
    Shape,
    column_problem,
    header_problem,
)
from profile_service.service.policy import sight_of
from profile_service.service.segments import get_segment
from servicekit.auth import Principal
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page
from servicekit.database import Database
from servicekit.errors import Conflict, Gone, Invalid, NotFound
from servicekit.http import check_version
from servicekit.records import Record, RecordReader, Stretch, UnreadableHeader, guess_encoding
from servicekit.uploads import PIECE

_SHAPE = ("segment_keys", "dimensions", "measures")


@dataclass(frozen=True)
class SegmentInsights:
    """What datasets say of a segment: cells, and the datasets they are of."""

    datasets: list[DatasetRow]
    cells: list[CellRow]
    next: str | None


async def put_dataset(
    session: AsyncSession,
    key: str,
    values: dict[str, Any],
    *,
    by: str,
    smallest_minimum: int,
    demanded_revision: int | None,
    now: datetime,
) -> tuple[DatasetRow, bool]:
    """Describe a dataset; returns it, and whether it is new. `values` as the columns of the table are named.

    Raises:
        Invalid: a column that identifies people, a segment nobody defined, a minimum below the setting, an end in the
            past. Conflict: it has cells of another shape. PreconditionFailed: somebody edited it meanwhile.
    """
    await _check(session, values, smallest_minimum=smallest_minimum, now=now)
    present = await insights.lock_dataset(session, key)
    check_version(present.revision if present else None, demanded_revision)
    if present is not None and present.cells:
        for name in _SHAPE:
            if getattr(present, name) != values[name]:
                raise Conflict("There are cells of another shape. Delete the dataset, or take another key.", field=name)
    if present is None or any(getattr(present, name) != value for name, value in values.items()):
        await insights.write_dataset(session, key, values, by=by)
    return await get_dataset(session, key), present is None


async def _check(session: AsyncSession, values: dict[str, Any], *, smallest_minimum: int, now: datetime) -> None:
    if values["minimum_cell_size"] < smallest_minimum:
        raise Invalid(f"The minimum is never below {smallest_minimum}.", field="minimum_cell_size")
    if values["expires_at"] <= now:
        raise Invalid("It has expired already.", field="expires_at")
    names = [
        *((f"dimensions.{place}", name) for place, name in enumerate(values["dimensions"])),
        *((f"measures.{place}.name", measure["name"]) for place, measure in enumerate(values["measures"])),
    ]
    seen: set[str] = set()
    for field, name in names:
        problem = "This column is there twice." if name in seen else column_problem(name)
        if problem is not None:
            raise Invalid(problem, field=field)
        seen.add(name)
    unknown = await insights.unknown_segments(session, values["segment_keys"])
    for place, segment_key in enumerate(values["segment_keys"]):
        if segment_key in unknown or not sight_of(session).sees_segment(segment_key):
            raise Invalid(f"There is no segment {segment_key}.", field=f"segment_keys.{place}")


async def get_dataset(session: AsyncSession, key: str) -> DatasetRow:
    """One dataset, without its cells.

    Raises:
        NotFound: there is none of that key.
    """
    found = await insights.get_dataset(session, key)
    if found is None:
        raise NotFound(f"There is no dataset {key}.")
    return _as_seen(session, found)


def _as_seen(session: AsyncSession, dataset: DatasetRow) -> DatasetRow:
    sight = sight_of(session)
    return replace(dataset, segment_keys=[key for key in dataset.segment_keys if sight.sees_segment(key)])


async def list_datasets(session: AsyncSession, *, after: str | None, first: int) -> Page[DatasetRow]:
    """A page of datasets by key."""
    found = await insights.list_datasets(session, after=after, limit=first + 1)
    page = cut_page(found, first, lambda row: row.key)
    return Page([_as_seen(session, row) for row in page.items], page.next)


async def delete_dataset(session: AsyncSession, key: str) -> None:
    """Delete a dataset with its cells.

    Raises:
        NotFound: there is none of that key.
    """
    if await insights.lock_dataset(session, key) is None:
        raise NotFound(f"There is no dataset {key}.")
    await insights.delete_dataset(session, key)


async def import_cells(
    session: AsyncSession,
    key: str,
    file: IO[bytes],
    kind: FileKind,
    *,
    encoding: str | None,
    dry_run: bool,
    by: str,
    now: datetime,
) -> CellReader:
    """Put a file's cells in the place of the dataset's; a dry run only says what it would do.

    One refused line refuses the whole file and changes nothing: a file with cells that are too small, or with what
    looks like identifiers, was not de-identified as agreed, so the rest of it is not trusted either. It is read record
    by record into a table of this transaction's own: memory does not grow with it. `encoding` None: it is guessed.

    Raises:
        NotFound: there is no such dataset. Gone: it has expired.
        Invalid: the file, or its lines (`lines.<number>.<column>`).
    """
    dataset = await insights.lock_dataset(session, key)
    if dataset is None:
        raise NotFound(f"There is no dataset {key}.")
    if dataset.expires_at <= now:
        raise Gone(f"The dataset {key} has expired.", field="expires_at")
    await insights.begin_file(session)
    read = await _read_cells(session, file, kind, encoding, _shape(dataset))
    if dry_run:
        return read
    if read.problems or not read.lines:
        raise Invalid(
            f"{read.refused} of {read.lines} lines are refused; nothing was changed."
            if read.problems
            else "The file has no lines.",
            errors=[(f"lines.{each.line}.{each.column}", each.detail) for each in read.problems]
            or [("body", "There must be at least one line.")],
        )
    await insights.replace_cells(session, key, by=by, now=now)
    return read


async def _read_cells(
    session: AsyncSession, file: IO[bytes], kind: FileKind, encoding: str | None, shape: Shape
) -> CellReader:
    """Read a file piece by piece and keep its cells aside."""
    read, pieces = CellReader(shape), _pieces(file, kind, encoding, shape)
    first = list(islice(pieces, 1))  # before anything is kept: what is wrong with the file as a whole
    await insights.keep_aside(session, _cells(read, chain(first, pieces), shape))
    repeated, lines = await insights.repeated_cells(session, limit=MAX_PROBLEMS)
    read.refuse_repeated(repeated, lines=lines)
    return read


class _Piece(NamedTuple):
    """What is complete with a piece of a file; of a CSV with the names of its columns."""

    found: Sequence[Stretch | Record]
    columns: Sequence[str] | None


def _pieces(file: IO[bytes], kind: FileKind, encoding: str | None, shape: Shape) -> Iterator[_Piece]:
    """Read a file.

    Raises:
        Invalid: it is none of this kind. Before anything is given.
    """
    piece = file.read(PIECE)
    guessed = encoding or guess_encoding(piece, is_all=len(piece) < PIECE)
    records = RecordReader(file_format=kind, encoding=guessed)
    is_last = False
    while not is_last:
        is_last = not piece
        try:
            found = list(records.feed_stretches(piece, is_last=is_last))
        except UnreadableHeader as refusal:
            raise Invalid(str(refusal), field="body") from None
        if kind == "csv" and records.columns is not None:
            problem = header_problem(records.columns, shape)
            if problem is not None:
                raise Invalid(problem, field="body")
        if found:
            yield _Piece(found, records.columns)
        piece = file.read(PIECE)
    if kind == "csv" and records.columns is None:
        raise Invalid("The file has no header.", field="body")


async def _cells(read: CellReader, pieces: Iterable[_Piece], shape: Shape) -> AsyncIterator[list[Cells]]:
    """Give the cells of piece after piece; between two of them others have their turn."""
    for piece in pieces:
        yield [cells for found in piece.found for cells in _cells_of(read, found, piece.columns, shape)]
        await asyncio.sleep(0)


def _cells_of(
    read: CellReader, found: Stretch | Record, columns: Sequence[str] | None, shape: Shape
) -> Iterator[Cells]:
    if isinstance(found, Record):
        records: Iterable[Record] = [found]
    else:
        by_column = _by_column(found, columns, shape)
        together = None if by_column is None else read.read_together(found.line, by_column)
        if together is not None:
            yield together
            return
        records = (Record(line, values, None) for line, values in enumerate(found.values, start=found.line))
    for record in records:
        cell = _cell(read, record, columns)
        if cell is not None:
            yield Cells.of(cell)


def _by_column(stretch: Stretch, columns: Sequence[str] | None, shape: Shape) -> Mapping[str, Sequence[object]] | None:
    """What stands in a stretch, column by column; None: its objects have others."""
    if columns is not None:
        return dict(zip(columns, zip(*stretch.values, strict=True), strict=True))
    objects = cast("Sequence[dict[str, Any]]", stretch.values)  # without columns, it is no CSV
    names = shape.columns
    if any(each.keys() != names for each in objects):
        return None
    return {name: [each[name] for each in objects] for name in names}


def _cell(read: CellReader, record: Record, columns: Sequence[str] | None) -> Cell | None:
    values = record.values
    if not isinstance(values, dict):
        values = dict(zip(columns or (), values, strict=False))  # empty fields may follow the last column
    return read.read(record.line, values, problem=record.problem)


def _shape(dataset: DatasetRow) -> Shape:
    return Shape(
        segment_keys=frozenset(dataset.segment_keys),
        dimensions=dataset.dimensions,
        measures={measure["name"]: measure["kind"] for measure in dataset.measures},
        minimum_cell_size=dataset.minimum_cell_size,
    )


async def insights_of(
    session: AsyncSession,
    segment_key: str,
    *,
    reader: Principal,
    after: tuple[str, int] | None,
    first: int,
    now: datetime,
) -> SegmentInsights:
    """What the datasets that may be used now say of a segment; who reads it is noted.

    What a dataset says of fewer of our customers than its minimum would be said of persons: it is left out.

    Raises:
        NotFound: there is no such segment. Conflict: it has members, too few for every dataset there is.
    """
    size = (await get_segment(session, segment_key)).size
    about = await insights.datasets_about(session, segment_key, now=now)
    datasets = [each for each in about if not 0 < size < each.minimum_cell_size]
    if about and not datasets:
        least = min(each.minimum_cell_size for each in about)
        raise Conflict(f"The segment has fewer than {least} members: bought data about it would be about persons.")
    found = await insights.cells_of(session, [each.key for each in datasets], segment_key, after=after, limit=first + 1)
    page = cut_page(found, first, lambda row: (row.dataset_key, row.line))
    shown = sorted({cell.dataset_key for cell in page.items})
    await note_reads(session, [f"insights/{key}" for key in shown], reader=reader, now=now)
    seen = [_as_seen(session, each) for each in datasets if each.key in shown]
    return SegmentInsights(seen, page.items, page.next)


async def note_reads(session: AsyncSession, subjects: Sequence[str], *, reader: Principal, now: datetime) -> None:
    """Note that somebody reads these."""
    if subjects:
        read_by = f"{reader.issuer}/{reader.subject}"
        await insights.note_reads(session, subjects, read_by=read_by, department=reader.department, now=now)


async def list_reads(session: AsyncSession, subject: str, *, before: int | None, first: int) -> Page[ReadRow]:
    """Who read it, the newest first; also of what is deleted."""
    found = await insights.list_reads(session, subject, before=before, limit=first + 1)
    return cut_page(found, first, lambda row: row.read_id)


class InsightSweeper:
    """Deletes the cells of expired datasets. They are not served from that moment on, swept or not."""

    def __init__(self, *, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def sweep(self) -> bool:
        """Delete what has expired by now."""
        async with self._database.transaction() as session:
            await insights.delete_expired_cells(session, now=self._clock.now())
        return False
