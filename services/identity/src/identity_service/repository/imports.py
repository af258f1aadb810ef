"""SQL of imports: what was received, how far it is read, what became of each line."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from identity_service.ids import derived_id
from identity_service.models import Import

PIECE_BYTES = 1024 * 1024
"""Size of a stored piece of content: what a reader holds at once."""

_SHOWN = """
SELECT imports.import_id, imports.source_id, imports.kind, imports.format, imports.encoding, imports.mapping::text,
    imports.constants::text, imports.time_zone, imports.purposes, imports.dry_run, imports.as_of,
    coalesce(jobs.state, imports.state) AS state, imports.job_id, imports.size, imports.bytes_read, imports.lines_read,
    imports.accepted, imports.repeated, imports.rejected, imports.sample::text,
    coalesce(jobs.problem, imports.problem) AS problem, imports.created_by, imports.created_at,
    coalesce(jobs.started_at, imports.started_at) AS started_at,
    coalesce(jobs.finished_at, imports.finished_at) AS finished_at
FROM imports LEFT JOIN jobs ON jobs.job_id = imports.job_id AND imports.state = 'queued'
"""

_PAGE = f"""
{_SHOWN} WHERE $1::timestamptz IS NULL OR (imports.created_at, imports.import_id) < ($1, $2::uuid)
ORDER BY imports.created_at DESC, imports.import_id DESC LIMIT $3
"""

_READ_FROM = """
SELECT substring(content FROM ($2 - position + 1)::int) FROM import_chunks
WHERE import_id = $1 AND position <= $2 ORDER BY position DESC LIMIT 1
"""

_REJECTED_LINES = """
SELECT line, field, detail FROM import_lines WHERE import_id = $1 AND line > $2 ORDER BY line LIMIT $3
"""

_ACCEPTED_LINES = """
SELECT said.line, said.event_id, said.line = ANY(repeated) AS is_repeated
FROM import_batches CROSS JOIN LATERAL unnest(lines, event_ids) AS said (line, event_id)
WHERE import_id = $1 AND said.line > $2 AND lines[cardinality(lines)] > $2
    AND NOT EXISTS (SELECT FROM import_lines WHERE import_lines.import_id = $1 AND import_lines.line = said.line)
ORDER BY number, said.line LIMIT $3
"""

_BATCH = """
SELECT lines, event_ids, request_ids, request_sizes FROM import_batches WHERE import_id = $1 AND number = $2
"""

_OUTCOMES = """
SELECT said.line, rejections.field, rejections.detail,
    CASE WHEN message_ids.event_id IS NULL THEN record_ids.event_id IS NOT NULL
         ELSE (message_ids.request_id, message_ids.position) <> (said.request_id, said.position) END AS is_repeated
FROM unnest($1::bigint[], $2::uuid[], $3::uuid[], $4::int[], $5::uuid[])
    AS said (line, event_id, request_id, position, rejection_id)
LEFT JOIN message_ids USING (event_id)
LEFT JOIN record_ids USING (event_id)
LEFT JOIN rejections USING (rejection_id)
WHERE rejections.rejection_id IS NOT NULL OR record_ids.event_id IS NOT NULL
    OR (message_ids.request_id, message_ids.position) <> (said.request_id, said.position)
ORDER BY said.line
"""
"""Of what the resolver refused, or had taken before; the rest is what it is."""

_SETTLE_BATCH = """
WITH settled AS (UPDATE import_batches SET repeated = $3 WHERE import_id = $1 AND number = $2)
UPDATE imports SET repeated = coalesce(repeated, 0) + cardinality($3::bigint[]),
    accepted = accepted - $4, rejected = rejected + $4
WHERE import_id = $1
"""

_FORESEE_REPEATED = """
WITH said AS (
    SELECT number, said.line, min(said.line) OVER (PARTITION BY said.event_id) AS first
    FROM import_batches CROSS JOIN LATERAL unnest(lines, event_ids) AS said (line, event_id)
    WHERE import_id = $1 AND said.event_id IS NOT NULL
), again AS (
    SELECT number, array_agg(line) AS lines FROM said WHERE line > first GROUP BY number
)
UPDATE import_batches
SET repeated = (SELECT array_agg(DISTINCT line ORDER BY line) FROM unnest(repeated || again.lines) AS line)
FROM again WHERE import_batches.import_id = $1 AND import_batches.number = again.number
"""
"""Sorted on disk, whatever the file's size; said again, it changes nothing."""

_COUNT_FORESEEN = """
UPDATE imports
SET repeated = (SELECT coalesce(sum(cardinality(import_batches.repeated)), 0) FROM import_batches WHERE import_id = $1)
WHERE import_id = $1
"""

_CUSTOMERS_OF = """
SELECT message_ids.event_id, identifiers.customer_id
FROM message_ids JOIN identifiers USING (anchor_id) WHERE message_ids.event_id = ANY($1::uuid[])
"""

_SETTLE = """
UPDATE imports
SET state = jobs.state, problem = jobs.problem, started_at = jobs.started_at, finished_at = jobs.finished_at
FROM jobs
WHERE imports.job_id = jobs.job_id AND imports.state = 'queued' AND jobs.state IN ('done', 'failed', 'cancelled')
"""

_ABANDON = """
UPDATE imports SET state = 'cancelled', problem = 'It was never started.', finished_at = $2
WHERE state = 'uploading' AND created_at < $1
"""

_CLEAR = """
DELETE FROM import_chunks USING imports
WHERE imports.import_id = import_chunks.import_id AND imports.state IN ('done', 'failed', 'cancelled')
"""


async def add_import(session: AsyncSession, new: Import) -> None:
    """Insert an import."""
    session.add(new)
    await session.flush()


async def lock_import(session: AsyncSession, import_id: UUID) -> Import | None:
    """Return an import, and let nobody else change it until the transaction ends."""
    statement = select(Import).where(col(Import.import_id) == import_id).with_for_update()
    return (await session.execute(statement)).scalar_one_or_none()


async def find_import(connection: asyncpg.Connection, import_id: UUID) -> dict[str, Any] | None:
    """Return an import as it is looked at."""
    row = await connection.fetchrow(f"{_SHOWN} WHERE imports.import_id = $1", import_id)
    return None if row is None else _shown(row)


async def list_imports(
    connection: asyncpg.Connection, *, after: Sequence[object] | None, limit: int
) -> list[dict[str, Any]]:
    """Return imports, the newest first, after (created_at, import_id)."""
    created_at, import_id = after or (None, None)
    return [_shown(row) for row in await connection.fetch(_PAGE, created_at, import_id, limit)]


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    return {**row, **{name: json.loads(row[name]) for name in ("mapping", "constants", "sample")}}


async def append_content(connection: asyncpg.Connection, import_id: UUID, content: bytes, *, position: int) -> None:
    """Append content to an import that is locked."""
    await connection.copy_records_to_table(
        "import_chunks",
        columns=("import_id", "position", "content"),
        records=[
            (import_id, position + start, content[start : start + PIECE_BYTES])
            for start in range(0, len(content), PIECE_BYTES)
        ],
    )
    await connection.execute("UPDATE imports SET size = size + $2 WHERE import_id = $1", import_id, len(content))


async def read_content(connection: asyncpg.Connection, import_id: UUID, *, offset: int) -> bytes:
    """Return the piece of content that begins at `offset`; empty at its end."""
    return await connection.fetchval(_READ_FROM, import_id, offset) or b""


async def save_batch(
    connection: asyncpg.Connection,
    import_id: UUID,
    *,
    number: int,
    accepted: Sequence[int],
    event_ids: Sequence[UUID],
    requests: Sequence[tuple[UUID, int]],
    repeated: Sequence[int],
    rejected: Sequence[tuple[int, str, str]],
    bytes_read: int,
    lines_read: int,
) -> None:
    """Write what became of a stretch of lines, and how far the file is read.

    `event_ids`: of the accepted lines; `requests`: those that they are in, in order, with how many each has;
    `repeated`: accepted lines of which that is known already.
    """
    if accepted:
        await connection.execute(
            "INSERT INTO import_batches (import_id, number, lines, event_ids, request_ids, request_sizes, repeated) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7)",
            import_id,
            number,
            accepted,
            event_ids,
            [request_id for request_id, _ in requests],
            [size for _, size in requests],
            repeated,
        )
    await _save_rejected(connection, import_id, rejected)
    await connection.execute(
        "UPDATE imports SET accepted = accepted + $2, rejected = rejected + $3, bytes_read = $4, lines_read = $5 "
        "WHERE import_id = $1",
        import_id,
        len(accepted),
        len(rejected),
        bytes_read,
        lines_read,
    )


async def _save_rejected(
    connection: asyncpg.Connection, import_id: UUID, rejected: Sequence[tuple[int, str, str]]
) -> None:
    if rejected:
        await connection.copy_records_to_table(
            "import_lines",
            columns=("import_id", "line", "field", "detail"),
            records=[(import_id, *one) for one in rejected],
        )


async def save_foreseen(
    connection: asyncpg.Connection, import_id: UUID, *, repeated: int, sample: Sequence[Mapping[str, Any]]
) -> None:
    """Add what a dry run foresees of a stretch of lines."""
    await connection.execute(
        "UPDATE imports SET repeated = coalesce(repeated, 0) + $2, sample = sample || $3::jsonb WHERE import_id = $1",
        import_id,
        repeated,
        json.dumps(sample),
    )


async def foresee_repeated(connection: asyncpg.Connection, import_id: UUID) -> None:
    """Note, of a dry run that has read all, the lines whose record the file has before; count all that are repeated."""
    await connection.execute(_FORESEE_REPEATED, import_id)
    await connection.execute(_COUNT_FORESEEN, import_id)


class Outcome(NamedTuple):
    """What the resolver made of an accepted line, when it is not simply its customer's now."""

    line: int
    problem: tuple[str, str] | None
    is_repeated: bool


async def find_outcomes(connection: asyncpg.Connection, import_id: UUID, number: int) -> list[Outcome]:
    """Return what the resolver refused of a stretch, and what it had taken before."""
    batch = await connection.fetchrow(_BATCH, import_id, number)
    if batch is None:
        return []
    places = [
        (request_id, position)
        for request_id, size in zip(batch["request_ids"], batch["request_sizes"], strict=True)
        for position in range(size)
    ]
    if len(places) != len(batch["lines"]):
        return []  # read before it was noted where lines went
    rejections = [derived_id("rejection", str(request_id), str(position)) for request_id, position in places]
    request_ids, positions = zip(*places, strict=True)
    rows = await connection.fetch(_OUTCOMES, batch["lines"], batch["event_ids"], request_ids, positions, rejections)
    return [
        Outcome(row["line"], None if row["detail"] is None else (row["field"], row["detail"]), row["is_repeated"])
        for row in rows
    ]


async def settle_batch(
    connection: asyncpg.Connection,
    import_id: UUID,
    number: int,
    *,
    repeated: Sequence[int],
    rejected: Sequence[tuple[int, str, str]],
) -> None:
    """Write what the resolver made of a stretch's lines."""
    await _save_rejected(connection, import_id, rejected)
    await connection.execute(_SETTLE_BATCH, import_id, number, repeated, len(rejected))


async def finish_import(
    connection: asyncpg.Connection, import_id: UUID, *, state: str, problem: str | None, at: datetime
) -> None:
    """End an import and delete its content."""
    await connection.execute(
        "UPDATE imports SET state = $2, problem = $3, finished_at = $4, "
        "started_at = (SELECT started_at FROM jobs WHERE jobs.job_id = imports.job_id) WHERE import_id = $1",
        import_id,
        state,
        problem,
        at,
    )
    await connection.execute("DELETE FROM import_chunks WHERE import_id = $1", import_id)


async def settle_imports(connection: asyncpg.Connection, *, at: datetime, started_before: datetime) -> None:
    """End imports whose jobs ended otherwise, and those that nobody started; delete the content of all that ended."""
    await connection.execute(_SETTLE)
    await connection.execute(_ABANDON, started_before, at)
    await connection.execute(_CLEAR)


async def list_rejected_lines(
    connection: asyncpg.Connection, import_id: UUID, *, after: int, limit: int
) -> list[dict[str, Any]]:
    """Return rejected lines, in order, after a line."""
    return [dict(row) for row in await connection.fetch(_REJECTED_LINES, import_id, after, limit)]


async def list_accepted_lines(
    connection: asyncpg.Connection, import_id: UUID, *, after: int, limit: int
) -> list[dict[str, Any]]:
    """Return accepted lines (line, event_id, is_repeated), in order, after a line.

    `event_id` is None of lines that were read before it was noted.
    """
    return [dict(row) for row in await connection.fetch(_ACCEPTED_LINES, import_id, after, limit)]


async def customers_of_messages(connection: asyncpg.Connection, event_ids: Sequence[UUID]) -> Mapping[UUID, UUID]:
    """Return whose those messages are that were resolved already."""
    return {row["event_id"]: row["customer_id"] for row in await connection.fetch(_CUSTOMERS_OF, event_ids)}
