"""SQL of probabilistic linking: its settings, its runs and what they find. What a run reads is in `scoring`."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.models import LinkingSetting
from servicekit.database import json_text

_RUN_COLUMNS = """
    run.run_id, run.job_id, run.kind, run.created_by, run.created_at, run.started_at, run.upper, run.lower, run.engine,
    run.spark_master, run.across_entities, run.records, run.customers, run.customers_scored, run.pairs_compared,
    run.linked, run.to_review, run.precision_estimate, run.recall_estimate, run.estimated_by,
    coalesce(run.finished_at, jobs.finished_at) AS finished_at, jobs.problem,
    CASE WHEN run.finished_at IS NOT NULL THEN 'done' ELSE coalesce(jobs.state, 'failed') END AS state
"""

_RUNS = f"""
SELECT {_RUN_COLUMNS} FROM linking_runs AS run LEFT JOIN jobs USING (job_id)
WHERE $1::timestamptz IS NULL OR (run.created_at, run.run_id) < ($1, $2::uuid)
ORDER BY run.created_at DESC, run.run_id DESC LIMIT $3
"""  # noqa: S608 - the columns are named above

_RUN = f"""
SELECT {_RUN_COLUMNS} FROM linking_runs AS run LEFT JOIN jobs USING (job_id) WHERE run.run_id = $1
"""  # noqa: S608 - the columns are named above

_RUN_UNDER_WAY = """
SELECT run_id FROM linking_runs JOIN jobs USING (job_id)
WHERE linking_runs.finished_at IS NULL AND jobs.state IN ('queued', 'running') LIMIT 1
"""

_INSERT_RUN = """
INSERT INTO linking_runs
    (run_id, job_id, kind, created_by, created_at, upper, lower, engine, spark_master, across_entities)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

_SAVE_FIGURES = """
UPDATE linking_runs SET
    records = $2, customers = $3, customers_scored = $4, pairs_compared = $5, precision_estimate = $6,
    recall_estimate = $7, estimated_by = $8, model = $9::jsonb
WHERE run_id = $1
"""

_FINISH_RUN = """
UPDATE linking_runs SET
    finished_at = $2,
    linked = (SELECT count(*) FROM link_candidates WHERE run_id = $1 AND state = 'linked'),
    to_review = (SELECT count(*) FROM link_candidates WHERE run_id = $1 AND state = 'review')
WHERE run_id = $1
"""

_INSERT_RESULTS = """
INSERT INTO linking_results
    (run_id, position, anchor_id, other_anchor_id, record_anchor_id, record_source_id, other_record_anchor_id,
     other_record_source_id, score, outcome, contradiction, fields)
SELECT $1::uuid, position, anchor_id, other_anchor_id, record_anchor_id, record_source_id, other_record_anchor_id,
    other_record_source_id, score, outcome, contradiction, fields::jsonb
FROM unnest($2::int[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::float[], $10::text[],
    $11::text[], $12::text[])
    AS t (position, anchor_id, other_anchor_id, record_anchor_id, record_source_id, other_record_anchor_id,
          other_record_source_id, score, outcome, contradiction, fields)
"""

_TAKE_RESULTS = """
SELECT position, anchor_id, other_anchor_id, record_anchor_id, record_source_id, other_record_anchor_id,
    other_record_source_id, score, outcome, contradiction, fields::text
FROM linking_results WHERE run_id = $1 ORDER BY position LIMIT $2
"""


class FoundPair(NamedTuple):
    """A scored pair of customers by their oldest anchors, with the records that were compared."""

    position: int
    anchor_id: UUID
    other_anchor_id: UUID
    record_anchor_id: UUID
    record_source_id: str
    other_record_anchor_id: UUID
    other_record_source_id: str
    score: float
    outcome: str
    contradiction: str | None
    fields: list[dict[str, Any]]
    """As in `LinkCandidate.fields`."""


class NewRun(NamedTuple):
    """A run as it is asked for."""

    run_id: UUID
    job_id: UUID
    kind: str
    created_by: str
    created_at: datetime
    upper: float
    lower: float
    engine: str
    spark_master: str | None
    across_entities: bool


class RunFigures(NamedTuple):
    """What a run's scoring came to."""

    records: int
    customers: int
    customers_scored: int
    pairs_compared: int
    precision_estimate: float | None
    recall_estimate: float | None
    estimated_by: str
    model: dict[str, Any]  # the engine's own


async def find_settings(session: AsyncSession) -> LinkingSetting:
    """Return the settings, which the migration made."""
    return (await session.execute(select(LinkingSetting))).scalar_one()


async def lock_settings(session: AsyncSession) -> LinkingSetting:
    """Return the settings, and let nobody else change them (or begin a run) before this transaction ends."""
    return (await session.execute(select(LinkingSetting).with_for_update())).scalar_one()


async def find_run_under_way(connection: asyncpg.Connection) -> UUID | None:
    """Return a run that is queued or running."""
    run_id: UUID | None = await connection.fetchval(_RUN_UNDER_WAY)
    return run_id


async def insert_run(connection: asyncpg.Connection, run: NewRun) -> None:
    """Write down a run that is asked for."""
    await connection.execute(_INSERT_RUN, *run)


async def find_run(connection: asyncpg.Connection, run_id: UUID) -> dict[str, Any] | None:
    """Return a run with the state of its job."""
    row = await connection.fetchrow(_RUN, run_id)
    return dict(row) if row else None


async def list_runs(
    connection: asyncpg.Connection, *, after: Sequence[object] | None, limit: int
) -> list[dict[str, Any]]:
    """Return runs, the newest first, after (created_at, run_id)."""
    created_at, run_id = after or (None, None)
    return [dict(row) for row in await connection.fetch(_RUNS, created_at, run_id, limit)]


async def start_run(connection: asyncpg.Connection, run_id: UUID, *, at: datetime, watermark: datetime) -> None:
    """Note when a run began to read, and drop what an earlier attempt at it found."""
    await connection.execute(
        "UPDATE linking_runs SET started_at = coalesce(started_at, $2), watermark = $3 WHERE run_id = $1",
        run_id,
        at,
        watermark,
    )
    await connection.execute("DELETE FROM linking_results WHERE run_id = $1", run_id)


async def find_last_finished(connection: asyncpg.Connection) -> tuple[datetime, dict[str, Any]] | None:
    """Return (watermark, model) of the last run that ended well."""
    row = await connection.fetchrow(
        "SELECT watermark, model::text FROM linking_runs WHERE finished_at IS NOT NULL AND watermark IS NOT NULL "
        "ORDER BY created_at DESC, run_id DESC LIMIT 1"
    )
    return None if row is None else (row["watermark"], json.loads(row["model"]))


async def save_figures(connection: asyncpg.Connection, run_id: UUID, figures: RunFigures) -> None:
    """Write what a run's scoring came to."""
    *numbers, model = figures
    await connection.execute(_SAVE_FIGURES, run_id, *numbers, json_text(model))


async def finish_run(connection: asyncpg.Connection, run_id: UUID, *, at: datetime) -> None:
    """Note that a run is done, and count what was linked and put to review."""
    await connection.execute(_FINISH_RUN, run_id, at)


async def save_results(connection: asyncpg.Connection, run_id: UUID, found: Sequence[FoundPair]) -> None:
    """Keep what a run has found until it is dealt with."""
    rows = [(*pair[:-1], json_text(pair.fields)) for pair in found]
    await connection.execute(_INSERT_RESULTS, run_id, *(list(column) for column in zip(*rows, strict=True)))


async def take_results(connection: asyncpg.Connection, run_id: UUID, *, limit: int) -> list[FoundPair]:
    """Return the next pairs to deal with, the best first."""
    rows = await connection.fetch(_TAKE_RESULTS, run_id, limit)
    return [FoundPair(**{**row, "fields": json.loads(row["fields"])}) for row in rows]


async def drop_results(connection: asyncpg.Connection, run_id: UUID, *, up_to: int | None = None) -> None:
    """Forget pairs that were dealt with, up to a position; without one, all of the run's."""
    await connection.execute(
        "DELETE FROM linking_results WHERE run_id = $1 AND ($2::int IS NULL OR position <= $2)", run_id, up_to
    )


async def drop_abandoned_results(connection: asyncpg.Connection) -> None:
    """Forget what runs found that were cancelled or failed."""
    await connection.execute(
        "DELETE FROM linking_results USING linking_runs JOIN jobs USING (job_id) "
        "WHERE linking_results.run_id = linking_runs.run_id AND jobs.state NOT IN ('queued', 'running')"
    )


async def find_holders(connection: asyncpg.Connection, anchor_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return who holds each anchor; erased ones are left out."""
    rows = await connection.fetch(
        "SELECT anchor_id, customer_id FROM identifiers WHERE anchor_id = ANY($1::uuid[])", anchor_ids
    )
    return {row["anchor_id"]: row["customer_id"] for row in rows}
