"""Anonymised exports, in stages that each survive a kill: everybody is read, what may be is published, the rest goes.

What was read of a customer is deleted when the customer is erased, or turns out to be somebody else (see
`forget_readings`): whatever happens between the first one read and the last, everybody published is somebody by
themselves at the moment of publishing, and is counted once.
"""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.models.insights import ExportStage
from profile_service.repository.backfills import FIRST_ID
from profile_service.repository.generalising import READING_PLAN, Publishing, Reading
from profile_service.repository.previews import SCAN_MEMORY
from profile_service.rules.anonymising import ExportDefinition
from servicekit.database import json_text, raw

_COLUMNS = (
    "export_id, definition, state, created_by, department, created_at, finished_at, expires_at, customers, published, "
    "cells, smallest, problem, stage, cursor, customers_read"
)


@dataclass(frozen=True)
class ExportRow:
    """An export and what came of it."""

    export_id: UUID
    definition: dict[str, Any]
    state: str
    created_by: str
    department: str | None
    created_at: datetime
    finished_at: datetime | None
    expires_at: datetime
    customers: int | None
    published: int | None
    cells: int | None
    smallest: int | None
    problem: str | None
    stage: ExportStage
    cursor: UUID | None
    customers_read: int


@dataclass(frozen=True)
class Outcome:
    """What an export came to. `smallest` is None when nothing was published."""

    customers: int
    published: int
    cells: int
    smallest: int | None


async def list_meanings(session: AsyncSession, export_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """By export of a segment the conditions that the segment had while the export was made."""
    rows = await (await raw(session)).fetch(
        "SELECT e.export_id, v.condition FROM anonymised_exports e "
        "JOIN segments s ON s.key = e.definition ->> 'segment' "
        "JOIN segment_versions v ON v.segment_id = s.segment_id "
        "    AND v.published_at <= COALESCE(e.finished_at, 'infinity') "
        "WHERE e.export_id = ANY($1::uuid[]) AND NOT EXISTS ("
        "    SELECT FROM segment_versions l "
        "    WHERE l.segment_id = v.segment_id AND l.version > v.version AND l.published_at <= e.created_at)",
        list(export_ids),
    )
    found: dict[UUID, list[dict[str, Any]]] = {}
    for export_id, condition in rows:
        found.setdefault(export_id, []).append(condition)
    return found


async def insert_export(
    session: AsyncSession,
    export_id: UUID,
    definition: dict[str, Any],
    *,
    by: str,
    department: str | None,
    now: datetime,
    expires_at: datetime,
) -> None:
    """Keep what was asked for, to be made."""
    await (await raw(session)).execute(
        "INSERT INTO anonymised_exports (export_id, definition, state, created_by, department, created_at, expires_at) "
        "VALUES ($1, $2, 'queued', $3, $4, $5, $6)",
        export_id, json_text(definition), by, department, now, expires_at,
    )  # fmt: skip


async def claim_export(session: AsyncSession) -> ExportRow | None:
    """The oldest export at which there is work and nobody else works; this transaction's, free to be cancelled."""
    connection = await raw(session)
    for row in await connection.fetch(
        f"SELECT {_COLUMNS} FROM anonymised_exports WHERE stage <> 'over' ORDER BY created_at, export_id LIMIT 20"  # noqa: S608
    ):
        number = int.from_bytes(row["export_id"].bytes[8:], signed=True)
        if await connection.fetchval("SELECT pg_try_advisory_xact_lock($1)", number):
            return await get_export(session, row["export_id"])
    return None


async def is_lost(session: AsyncSession, export: ExportRow) -> bool:
    """Whether nothing is left of what was read (a crash empties that table)."""
    found = await (await raw(session)).fetchval(
        "SELECT EXISTS (SELECT FROM export_readings WHERE export_id = $1)", export.export_id
    )
    return export.customers_read > 0 and not found


async def read_again(session: AsyncSession, export: ExportRow) -> bool:
    """Begin anew with the first customer. False: it was cancelled meanwhile."""
    return await _note_stage(session, export, "reading", cursor=None, read=-export.customers_read)


async def read_some(
    session: AsyncSession, export: ExportRow, definition: ExportDefinition, *, zone: str, limit: int
) -> bool:
    """Read the next customers, up to `limit`; then publishing is due. False: it was cancelled meanwhile.

    No move may be stored before this transaction ends (`hold_moves`): who is at rest now is so when it is committed.
    """
    connection = await raw(session)
    after = export.cursor or FIRST_ID
    last, listed = await _next_customers(session, definition, after=after, limit=limit)
    read = 0
    if last is not None:
        await connection.execute(READING_PLAN)
        statement = Reading(definition, export.export_id, zone=zone)
        status = await connection.execute(statement.write(after=after, last=last), *statement.parameters)
        read = int(status.rsplit(" ", 1)[-1])
    stage: ExportStage = "reading" if listed == limit else "publishing"
    return await _note_stage(session, export, stage, cursor=last or export.cursor, read=read)


async def _next_customers(
    session: AsyncSession, definition: ExportDefinition, *, after: UUID, limit: int
) -> tuple[UUID | None, int]:
    """The last of the next customers of the population, and how many they are."""
    among, parameters = "customers", list[object]([after, limit])
    if definition.segment is not None:
        among = "segment_memberships"
        parameters.append(definition.segment)
    where = "AND is_member AND segment_id = (SELECT segment_id FROM segments WHERE key = $3)"
    row = await (await raw(session)).fetchrow(
        f"SELECT customer_id, count(*) OVER () AS listed FROM ("  # noqa: S608  # one of two tables
        f"SELECT customer_id FROM {among} WHERE customer_id > $1 {where if definition.segment else ''} "
        "ORDER BY customer_id LIMIT $2) AS next ORDER BY customer_id DESC LIMIT 1",
        *parameters,
    )
    return (None, 0) if row is None else (row["customer_id"], row["listed"])


async def _note_stage(
    session: AsyncSession, export: ExportRow, stage: ExportStage, *, cursor: UUID | None, read: int
) -> bool:
    status: str = await (await raw(session)).execute(
        "UPDATE anonymised_exports SET stage = $2, cursor = $3, customers_read = customers_read + $4 "
        "WHERE export_id = $1 AND state = 'queued'",
        export.export_id, stage, cursor, read,
    )  # fmt: skip
    return status == "UPDATE 1"


async def publish_cells(session: AsyncSession, export_id: UUID, definition: ExportDefinition, *, k: int) -> Outcome:
    """Keep the cells of at least `k` of the customers that were read and are at rest."""
    connection = await raw(session)
    await connection.execute(SCAN_MEMORY)
    statement = Publishing(definition, export_id)
    sql = statement.write(k=k)
    return Outcome(**await connection.fetchrow(sql, *statement.parameters))


async def clear_some(session: AsyncSession, export: ExportRow, *, limit: int) -> None:
    """Delete the next readings of an export that is made, failed or cancelled; without any, it is over."""
    connection = await raw(session)
    gone = await connection.fetch(
        "DELETE FROM export_readings r USING (SELECT customer_id FROM export_readings "
        "WHERE customer_id > $2 AND export_id = $1 ORDER BY customer_id LIMIT $3) AS due "
        "WHERE r.customer_id = due.customer_id AND r.export_id = $1 RETURNING r.customer_id",
        export.export_id,
        export.cursor or FIRST_ID,
        limit,
    )
    last = max((row["customer_id"] for row in gone), default=None)
    await connection.execute(
        "UPDATE anonymised_exports SET cursor = $2, stage = CASE WHEN $2::uuid IS NULL THEN 'over' ELSE stage END "
        "WHERE export_id = $1",
        export.export_id,
        last,
    )


async def forget_readings(session: AsyncSession, customer_ids: Collection[UUID]) -> None:
    """Forget what was read of customers among whom anchors moved: they are others now, and would count as well."""
    await (await raw(session)).execute(
        "DELETE FROM export_readings WHERE customer_id = ANY($1::uuid[])", list(customer_ids)
    )


async def finish_export(
    session: AsyncSession, export_id: UUID, *, outcome: Outcome | None, problem: str | None, now: datetime
) -> bool:
    """Say what an export came to; False when it was cancelled meanwhile."""
    figures = (
        (None,) * 4 if outcome is None else (outcome.customers, outcome.published, outcome.cells, outcome.smallest)
    )
    status: str = await (await raw(session)).execute(
        "UPDATE anonymised_exports SET state = $2, finished_at = $3, customers = $4, published = $5, cells = $6, "
        "smallest = $7, problem = $8, stage = 'clearing', cursor = NULL WHERE export_id = $1 AND state = 'queued'",
        export_id, "failed" if outcome is None else "done", now, *figures, problem,
    )  # fmt: skip
    return status == "UPDATE 1"


async def cancel_export(session: AsyncSession, export_id: UUID, *, now: datetime) -> bool:
    """Cancel an export that is not made yet; False when there is none such."""
    status: str = await (await raw(session)).execute(
        "UPDATE anonymised_exports SET state = 'cancelled', finished_at = $2, stage = 'clearing', cursor = NULL "
        "WHERE export_id = $1 AND state = 'queued'",
        export_id,
        now,
    )
    return status == "UPDATE 1"


async def get_export(session: AsyncSession, export_id: UUID) -> ExportRow | None:
    """One export."""
    row = await (await raw(session)).fetchrow(
        f"SELECT {_COLUMNS} FROM anonymised_exports WHERE export_id = $1",  # noqa: S608  # the columns above
        export_id,
    )
    return None if row is None else ExportRow(**row)


async def list_exports(session: AsyncSession, *, before: tuple[datetime, UUID] | None, limit: int) -> list[ExportRow]:
    """Exports, the newest first."""
    created_at, export_id = before or (None, None)
    rows = await (await raw(session)).fetch(
        f"SELECT {_COLUMNS} FROM anonymised_exports "  # noqa: S608  # the columns above
        "WHERE $1::timestamptz IS NULL OR (created_at, export_id) < ($1, $2::uuid) "
        "ORDER BY created_at DESC, export_id DESC LIMIT $3",
        created_at,
        export_id,
        limit,
    )
    return [ExportRow(**row) for row in rows]


async def cells_of(
    session: AsyncSession, export_id: UUID, *, after: int, limit: int
) -> AsyncIterator[tuple[list[str | None], int]]:
    """Published cells after a position, in order, by a cursor: labels and the rounded number of customers."""
    async for row in (await raw(session)).cursor(
        "SELECT labels, count FROM anonymised_cells WHERE export_id = $1 AND position > $2 ORDER BY position LIMIT $3",
        export_id, after, limit, prefetch=1000,
    ):  # fmt: skip
        yield row["labels"], row["count"]


async def expire_exports(session: AsyncSession, *, now: datetime) -> None:
    """Delete the content of exports whose time is over; that they were made, for whom and why stays known."""
    connection = await raw(session)
    await connection.execute(
        "DELETE FROM anonymised_cells c USING anonymised_exports e "
        "WHERE e.export_id = c.export_id AND e.expires_at <= $1",
        now,
    )
    await connection.execute(
        "UPDATE anonymised_exports SET state = 'expired' WHERE state = 'done' AND expires_at <= $1", now
    )
