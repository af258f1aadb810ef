"""What is taken by schedule: when, and the cut points that were."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledConditions
from profile_service.repository.previews import SCAN_MEMORY
from servicekit.database import json_text, raw

_SELECT = "SELECT subject, document, revision, next_at, version, taken_at FROM schedules"

# Of n customers in order, `at_least` is the first that p percent of them come before, `at_most` the last of these.
_MEASURE = """
WITH measured AS MATERIALIZED (
    SELECT x0 AS x FROM ({sql}) AS v WHERE x0 IS NOT NULL
), placed AS MATERIALIZED (
    SELECT x, row_number() OVER (ORDER BY x) - 1 AS place FROM measured
), size AS (
    SELECT count(*) AS n FROM measured
)
SELECT size.n, p.percent, above.x AS at_least, below.x AS at_most
FROM size CROSS JOIN generate_series(1, 99) AS p (percent)
LEFT JOIN placed AS above ON above.place = size.n * p.percent / 100
LEFT JOIN placed AS below ON below.place = (size.n * p.percent + 99) / 100 - 1
ORDER BY p.percent
"""


@dataclass(frozen=True)
class ScheduleRow:
    """A schedule; `document` is its timing and what its subject needs beside."""

    subject: str
    document: dict[str, Any]
    revision: int
    next_at: datetime
    version: int
    taken_at: datetime | None


@dataclass(frozen=True)
class CutRow:
    """Cut points as taken once."""

    subject: str
    version: int
    taken_at: datetime
    until: datetime
    kind: str
    customers: int
    value: dict[str, Any]
    at_least: Mapping[str, Any]
    at_most: Mapping[str, Any]


async def list_schedules(session: AsyncSession) -> list[ScheduleRow]:
    """All by subject."""
    return [ScheduleRow(**row) for row in await (await raw(session)).fetch(f"{_SELECT} ORDER BY subject")]


async def find_schedule(session: AsyncSession, subject: str) -> ScheduleRow | None:
    """One of them."""
    row = await (await raw(session)).fetchrow(f"{_SELECT} WHERE subject = $1", subject)
    return None if row is None else ScheduleRow(**row)


async def keep_schedule(session: AsyncSession, subject: str, document: dict[str, Any], *, next_at: datetime) -> None:
    """Put it there, in the place of what was."""
    await (await raw(session)).execute(
        "INSERT INTO schedules AS s (subject, document, revision, next_at) VALUES ($1, $2, 1, $3) "
        "ON CONFLICT (subject) DO UPDATE SET document = excluded.document, next_at = excluded.next_at, "
        "revision = s.revision + 1",
        subject, json_text(document), next_at,
    )  # fmt: skip


async def delete_schedule(session: AsyncSession, subject: str) -> None:
    """Take it no more, and forget what was taken."""
    connection = await raw(session)
    await connection.execute("DELETE FROM cut_points WHERE subject = $1", subject)
    await connection.execute("DELETE FROM schedules WHERE subject = $1", subject)


async def bring_forward(session: AsyncSession, subjects: Sequence[str], *, now: datetime) -> None:
    """Take these at once, of those there are."""
    await (await raw(session)).execute(
        "UPDATE schedules SET next_at = LEAST(next_at, $2) WHERE subject = ANY($1::text[])", list(subjects), now
    )


async def claim_due(session: AsyncSession, *, now: datetime) -> ScheduleRow | None:
    """A schedule whose time has come and that nobody else works on; its row is not locked."""
    connection = await raw(session)
    for row in await connection.fetch(f"{_SELECT} WHERE next_at <= $1 ORDER BY next_at, subject", now):
        if await connection.fetchval(
            "SELECT pg_try_advisory_xact_lock(hashtextextended('schedule ' || $1, 0))", row["subject"]
        ):
            return ScheduleRow(**row)
    return None


async def note_taken(session: AsyncSession, claimed: ScheduleRow, *, next_at: datetime, now: datetime) -> bool:
    """Note that it was taken; False: it was changed or asked for meanwhile, so what was measured does not count."""
    status: str = await (await raw(session)).execute(
        "UPDATE schedules SET version = version + 1, taken_at = $4, next_at = $5 "
        "WHERE subject = $1 AND revision = $2 AND next_at = $3 AND version = $6",
        claimed.subject, claimed.revision, claimed.next_at, now, next_at, claimed.version,
    )  # fmt: skip
    return status == "UPDATE 1"


async def measure(
    session: AsyncSession, compiled: CompiledConditions, *, now: datetime
) -> tuple[int, dict[str, str], dict[str, str]]:
    """Of how many customers a Value (x0 of the statement) is not missing; per percent `at_least` and `at_most`."""
    connection = await raw(session)
    await connection.execute(SCAN_MEMORY)
    rows = await connection.fetch(_MEASURE.format(sql=compiled.sql), now, *compiled.parameters)
    found = [{str(row["percent"]): _text(row[name]) for row in rows if row[name] is not None} for name in _CUTS]
    return rows[0]["n"], found[0], found[1]


_CUTS = ("at_least", "at_most")


def _text(cut: Any) -> str:  # a number or a moment
    return cut.isoformat() if isinstance(cut, datetime) else format(cut, "f")


async def insert_cuts(session: AsyncSession, row: CutRow) -> None:
    """Keep cut points for good."""
    await (await raw(session)).execute(
        "INSERT INTO cut_points (subject, version, taken_at, until, kind, customers, value, at_least, at_most) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        row.subject, row.version, row.taken_at, row.until, row.kind, row.customers, json_text(row.value),
        json_text(row.at_least), json_text(row.at_most),
    )  # fmt: skip


async def list_cuts(session: AsyncSession, subject: str, *, before: int | None, limit: int) -> list[CutRow]:
    """Cut points, newest first, of versions before one."""
    rows = await (await raw(session)).fetch(
        "SELECT subject, version, taken_at, until, kind, customers, value, at_least, at_most FROM cut_points "
        "WHERE subject = $1 AND ($2::int IS NULL OR version < $2) ORDER BY version DESC LIMIT $3",
        subject, before, limit,
    )  # fmt: skip
    return [CutRow(**row) for row in rows]
