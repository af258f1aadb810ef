"""Datasets about segments. No statement here, and none elsewhere, joins them to a table of customers."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.rules.insights import Cells
from servicekit.database import json_text, raw

_COLUMNS = (
    "key, title, supplier, purpose, hypothesis, licence, segment_keys, dimensions, measures, minimum_cell_size, "
    "expires_at, revision, created_by, imported_by, imported_at"
)
_DATASETS = f"""
SELECT {_COLUMNS}, (SELECT count(*) FROM insight_cells c WHERE c.dataset_key = d.key) AS cells
FROM insight_datasets d
"""  # noqa: S608  # the columns above
_WRITTEN = ("title", "supplier", "purpose", "hypothesis", "licence", "segment_keys", "dimensions", "measures",
            "minimum_cell_size", "expires_at")  # fmt: skip


@dataclass(frozen=True)
class DatasetRow:
    """A dataset, and how many cells it has."""

    key: str
    title: str
    supplier: str
    purpose: str
    hypothesis: str
    licence: str
    segment_keys: list[str]
    dimensions: list[str]
    measures: list[dict[str, Any]]
    minimum_cell_size: int
    expires_at: datetime
    revision: int
    created_by: str
    imported_by: str | None
    imported_at: datetime | None
    cells: int


@dataclass(frozen=True)
class CellRow:
    """A cell, and the dataset it is of."""

    dataset_key: str
    line: int
    dimensions: dict[str, str]
    cell_size: int
    measures: dict[str, Any]


@dataclass(frozen=True)
class ReadRow:
    """Who read something, when."""

    read_id: int
    read_by: str
    department: str | None
    read_at: datetime


async def lock_dataset(session: AsyncSession, key: str) -> DatasetRow | None:
    """One dataset, which nobody else changes until this transaction ends; None leaves its key to this transaction."""
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock(hashtextextended('insights ' || $1, 0))", key)
    return await get_dataset(session, key)


async def get_dataset(session: AsyncSession, key: str) -> DatasetRow | None:
    """One dataset."""
    row = await (await raw(session)).fetchrow(f"{_DATASETS} WHERE d.key = $1", key)
    return None if row is None else DatasetRow(**row)


async def list_datasets(session: AsyncSession, *, after: str | None, limit: int) -> list[DatasetRow]:
    """Datasets by key."""
    rows = await (await raw(session)).fetch(f"{_DATASETS} WHERE d.key > $1 ORDER BY d.key LIMIT $2", after or "", limit)
    return [DatasetRow(**row) for row in rows]


async def datasets_about(session: AsyncSession, segment_key: str, *, now: datetime) -> list[DatasetRow]:
    """The datasets about a segment that may be used now, by key."""
    rows = await (await raw(session)).fetch(
        f"{_DATASETS} WHERE $1 = ANY(d.segment_keys) AND d.expires_at > $2 ORDER BY d.key", segment_key, now
    )
    return [DatasetRow(**row) for row in rows]


async def unknown_segments(session: AsyncSession, keys: Sequence[str]) -> set[str]:
    """Those of the keys that no segment has."""
    rows = await (await raw(session)).fetch("SELECT key FROM segments WHERE key = ANY($1::text[])", list(keys))
    return set(keys) - {row["key"] for row in rows}


async def write_dataset(session: AsyncSession, key: str, values: dict[str, Any], *, by: str) -> None:
    """Write a dataset's description: `values` as its columns are named."""
    assignments = ", ".join(f"{name} = excluded.{name}" for name in _WRITTEN)
    places = ", ".join(f"${place}" for place in range(3, 3 + len(_WRITTEN)))
    await (await raw(session)).execute(
        f"INSERT INTO insight_datasets AS d (key, created_by, revision, {', '.join(_WRITTEN)}) "  # noqa: S608
        f"VALUES ($1, $2, 1, {places}) ON CONFLICT (key) DO UPDATE SET {assignments}, revision = d.revision + 1",
        key,
        by,
        *(json_text(values[name]) if name == "measures" else values[name] for name in _WRITTEN),
    )


async def delete_dataset(session: AsyncSession, key: str) -> None:
    """Delete a dataset with its cells; who read it stays known."""
    await (await raw(session)).execute("DELETE FROM insight_datasets WHERE key = $1", key)


async def begin_file(session: AsyncSession) -> None:
    """Make room for the cells of a file until this transaction ends: seen by nobody else, and gone with it."""
    await (await raw(session)).execute(
        "CREATE TEMPORARY TABLE insight_file (line int NOT NULL, segment_key text NOT NULL, dimensions jsonb NOT NULL, "
        "cell_size bigint NOT NULL, measures jsonb NOT NULL) ON COMMIT DROP"
    )


async def keep_aside(session: AsyncSession, cells: AsyncIterator[Sequence[Cells]]) -> None:
    """Keep the cells of the file as they come, by one COPY: while they are read on, the database takes the last ones.

    Text of COPY and in it text of JSON, made many lines at a time: a record for the driver costs thrice as much.
    """
    await (await raw(session)).copy_to_table(
        "insight_file",
        source=_copied(cells),
        columns=("line", "segment_key", "dimensions", "cell_size", "measures"),
    )


async def _copied(cells: AsyncIterator[Sequence[Cells]]) -> AsyncIterator[bytes]:
    async for some in cells:
        yield "".join([line for each in some for line in _lines(each)]).encode()


def _lines(cells: Cells) -> Iterator[str]:
    dimensions = [_plain(values) for values in cells.dimensions.values()]
    measures = [_json_numbers(values) for values in cells.measures.values()]
    labels, numbers = _json_object(cells.dimensions, '"%s"'), _json_object(cells.measures, "%s")
    line = f"%d\t%s\t{labels}\t%d\t{numbers}\n"
    columns = zip(cells.lines, cells.segments, *dimensions, cells.cell_sizes, *measures, strict=True)
    return map(line.__mod__, columns)


def _json_object(names: Iterable[str], value: str) -> str:
    """A template of a JSON object with these keys, which need no escaping."""
    return "{" + ",".join(f'"{name}":{value}' for name in names) + "}"


def _plain(values: Sequence[str]) -> Sequence[str]:
    """Printable texts as they stand between the quotes of JSON in COPY's text."""
    joined = "".join(values)
    if '"' not in joined and "\\" not in joined:
        return values
    return [json_text(value)[1:-1].replace("\\", "\\\\") for value in values]


def _json_numbers(values: Sequence[int | float | None]) -> Sequence[int | float | str]:
    return ["null" if value is None else value for value in values]


async def repeated_cells(session: AsyncSession, *, limit: int) -> tuple[list[tuple[int, int]], int]:
    """Lines of the file with the segment and dimensions of an earlier one, which stands beside it; how many in all.

    Only lines whose hash comes twice are sorted and compared: as a rule, none.
    """
    rows = await (await raw(session)).fetch(
        """
        WITH hashed AS NOT MATERIALIZED (
            SELECT line, segment_key, dimensions,
                jsonb_hash_extended(dimensions, hashtextextended(segment_key, 0)) AS hash
            FROM insight_file
        ), suspected AS (
            SELECT line, segment_key, dimensions FROM hashed
            WHERE hash IN (SELECT hash FROM hashed GROUP BY hash HAVING count(*) > 1)
        )
        SELECT line, first, count(*) OVER () AS lines FROM (
            SELECT line, min(line) OVER (PARTITION BY segment_key, dimensions) AS first FROM suspected
        ) AS placed WHERE line > first ORDER BY line LIMIT $1
        """,
        limit,
    )
    return [(row["line"], row["first"]) for row in rows], rows[0]["lines"] if rows else 0


async def replace_cells(session: AsyncSession, key: str, *, by: str, now: datetime) -> None:
    """Put the file's cells in the place of the dataset's."""
    connection = await raw(session)
    await connection.execute("DELETE FROM insight_cells WHERE dataset_key = $1", key)
    await connection.execute(
        "INSERT INTO insight_cells (dataset_key, line, segment_key, dimensions, cell_size, measures) "
        "SELECT $1, line, segment_key, dimensions, cell_size, measures FROM insight_file ORDER BY line",
        key,
    )
    await connection.execute(
        "UPDATE insight_datasets SET imported_by = $2, imported_at = $3 WHERE key = $1", key, by, now
    )


async def cells_of(
    session: AsyncSession, datasets: Sequence[str], segment_key: str, *, after: tuple[str, int] | None, limit: int
) -> list[CellRow]:
    """A segment's cells in these datasets, by dataset and line, of the size that each dataset demands now."""
    dataset_key, line = after or ("", 0)
    rows = await (await raw(session)).fetch(
        """
        SELECT c.dataset_key, c.line, c.dimensions, c.cell_size, c.measures
        FROM insight_cells c JOIN insight_datasets d ON d.key = c.dataset_key
        WHERE c.segment_key = $1 AND c.dataset_key = ANY($2::text[]) AND c.cell_size >= d.minimum_cell_size
          AND (c.dataset_key, c.line) > ($3, $4)
        ORDER BY c.dataset_key, c.line LIMIT $5
        """,
        segment_key,
        list(datasets),
        dataset_key,
        line,
        limit,
    )
    return [CellRow(**row) for row in rows]


async def delete_expired_cells(session: AsyncSession, *, now: datetime) -> None:
    """Delete the cells of datasets whose licence has ended; their descriptions stay, as the record of what was had."""
    await (await raw(session)).execute(
        "DELETE FROM insight_cells c USING insight_datasets d WHERE d.key = c.dataset_key AND d.expires_at <= $1", now
    )


async def note_reads(
    session: AsyncSession, subjects: Sequence[str], *, read_by: str, department: str | None, now: datetime
) -> None:
    """Note who reads these, `insights/<key>` or `anonymised-exports/<id>`."""
    await (await raw(session)).execute(
        "INSERT INTO audited_reads (subject, read_by, department, read_at) "
        "SELECT s, $2, $3, $4 FROM unnest($1::text[]) AS s",
        list(subjects),
        read_by,
        department,
        now,
    )


async def list_reads(session: AsyncSession, subject: str, *, before: int | None, limit: int) -> list[ReadRow]:
    """Who read it, the newest first."""
    rows = await (await raw(session)).fetch(
        "SELECT read_id, read_by, department, read_at FROM audited_reads "
        "WHERE subject = $1 AND ($2::bigint IS NULL OR read_id < $2) ORDER BY read_id DESC LIMIT $3",
        subject,
        before,
        limit,
    )
    return [ReadRow(**row) for row in rows]
