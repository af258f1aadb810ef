"""SQL of long work. Who holds a job's advisory lock works on it; the lock ends with its connection."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg

from servicekit.database import json_text

JOBS_CHANNEL = "identity_jobs"

_COLUMNS = "job_id, kind, state, done, total, result::text, problem, created_by, created_at, started_at, finished_at"

_INSERT = """
INSERT INTO jobs (job_id, kind, state, parameters, created_by, created_at) VALUES ($1, $2, 'queued', $3::jsonb, $4, $5)
"""

_OPEN = """
SELECT job_id FROM jobs
WHERE state IN ('queued', 'running') AND kind = ANY($1::text[]) AND job_id <> ALL($2::uuid[])
ORDER BY created_at, job_id LIMIT $3
"""

_START = """
UPDATE jobs SET state = 'running', started_at = coalesce(started_at, $2)
WHERE job_id = $1 AND state IN ('queued', 'running')
RETURNING kind, parameters::text, cursor::text, done, total, created_by
"""

_PROGRESS = """
UPDATE jobs SET done = $2, total = $3, cursor = $4::jsonb
WHERE job_id = $1 AND state = 'running' AND cursor = $5::jsonb
"""

_FINISH = """
UPDATE jobs SET state = $2, result = $3::jsonb, problem = $4, finished_at = $5
WHERE job_id = $1 AND state = 'running' AND cursor = $6::jsonb
"""

_CANCEL = """
UPDATE jobs SET state = 'cancelled', finished_at = $2 WHERE job_id = $1 AND state IN ('queued', 'running')
"""

_PAGE = f"""
SELECT {_COLUMNS} FROM jobs
WHERE ($1::timestamptz IS NULL OR (created_at, job_id) < ($1, $2::uuid)) AND ($3::text IS NULL OR kind = $3)
ORDER BY created_at DESC, job_id DESC LIMIT $4
"""  # noqa: S608 - the columns are named above


class StartedJob(NamedTuple):
    """A job as its worker takes it up."""

    job_id: UUID
    kind: str
    parameters: dict[str, Any]
    cursor: dict[str, Any]
    done: int
    total: int | None
    created_by: str


async def insert_job(
    connection: asyncpg.Connection, job_id: UUID, kind: str, parameters: dict[str, Any], *, by: str, at: datetime
) -> None:
    """Queue a job and wake the workers once the transaction commits."""
    await connection.execute(_INSERT, job_id, kind, json_text(parameters), by, at)
    await connection.execute(f"NOTIFY {JOBS_CHANNEL}")


async def find_open_jobs(
    connection: asyncpg.Connection, kinds: Collection[str], *, without: Collection[UUID], limit: int
) -> list[UUID]:
    """Return jobs that are queued or running (perhaps without a worker now), the oldest first."""
    rows = await connection.fetch(_OPEN, list(kinds), list(without), limit)
    return [row["job_id"] for row in rows]


async def try_lock_job(connection: asyncpg.Connection, job_id: UUID) -> bool:
    """Take the job for as long as this connection lives; False when another worker has it."""
    is_taken: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _lock_number(job_id))
    return is_taken


async def unlock_job(connection: asyncpg.Connection, job_id: UUID) -> None:
    """Let the job go."""
    await connection.execute("SELECT pg_advisory_unlock($1)", _lock_number(job_id))


def _lock_number(job_id: UUID) -> int:
    return int.from_bytes(job_id.bytes[8:], signed=True)


async def start_job(connection: asyncpg.Connection, job_id: UUID, *, at: datetime) -> StartedJob | None:
    """Mark a job as running; None when it has ended meanwhile."""
    row = await connection.fetchrow(_START, job_id, at)
    if row is None:
        return None
    return StartedJob(
        job_id,
        row["kind"],
        json.loads(row["parameters"]),
        json.loads(row["cursor"]),
        row["done"],
        row["total"],
        row["created_by"],
    )


async def find_progress(connection: asyncpg.Connection, job_id: UUID) -> tuple[int, int | None, dict[str, Any]] | None:
    """Return (done, total, cursor) of a running job; None when it no longer runs."""
    row = await connection.fetchrow(
        "SELECT done, total, cursor::text FROM jobs WHERE job_id = $1 AND state = 'running'", job_id
    )
    return None if row is None else (row["done"], row["total"], json.loads(row["cursor"]))


async def save_progress(
    connection: asyncpg.Connection,
    job_id: UUID,
    *,
    done: int,
    total: int | None,
    cursor: dict[str, Any],
    former_cursor: dict[str, Any],
) -> bool:
    """Write how far a job is; False when it was cancelled, or another worker has gone on with it."""
    status: str = await connection.execute(_PROGRESS, job_id, done, total, json_text(cursor), json_text(former_cursor))
    return status == "UPDATE 1"


async def finish_job(
    connection: asyncpg.Connection,
    job_id: UUID,
    *,
    state: str,
    result: dict[str, Any] | None,
    problem: str | None,
    cursor: dict[str, Any],
    at: datetime,
) -> bool:
    """End a job as `done` or `failed`; False when it was cancelled, or another worker has gone on with it."""
    status: str = await connection.execute(
        _FINISH, job_id, state, None if result is None else json_text(result), problem, at, json_text(cursor)
    )
    return status == "UPDATE 1"


async def cancel_job(connection: asyncpg.Connection, job_id: UUID, *, at: datetime) -> bool:
    """Cancel a job that has not ended; False when it has, or never was."""
    status: str = await connection.execute(_CANCEL, job_id, at)
    await connection.execute(f"NOTIFY {JOBS_CHANNEL}")
    return status == "UPDATE 1"


async def find_running(connection: asyncpg.Connection, job_ids: Sequence[UUID]) -> set[UUID]:
    """Return those of the jobs that still are to be worked on."""
    rows = await connection.fetch("SELECT job_id FROM jobs WHERE job_id = ANY($1) AND state = 'running'", job_ids)
    return {row["job_id"] for row in rows}


async def find_job(connection: asyncpg.Connection, job_id: UUID) -> dict[str, Any] | None:
    """Return a job as it is looked at."""
    row = await connection.fetchrow(f"SELECT {_COLUMNS} FROM jobs WHERE job_id = $1", job_id)  # noqa: S608 - as above
    return None if row is None else _shown(row)


async def list_jobs(
    connection: asyncpg.Connection, *, after: Sequence[object] | None, kind: str | None, limit: int
) -> list[dict[str, Any]]:
    """Return jobs, the newest first, after (created_at, job_id)."""
    created_at, job_id = after or (None, None)
    return [_shown(row) for row in await connection.fetch(_PAGE, created_at, job_id, kind, limit)]


def _shown(row: asyncpg.Record) -> dict[str, Any]:
    return {**row, "result": None if row["result"] is None else json.loads(row["result"])}


async def forget_jobs(connection: asyncpg.Connection, *, before: datetime) -> None:
    """Forget jobs that ended before a moment."""
    await connection.execute("DELETE FROM jobs WHERE finished_at < $1", before)
