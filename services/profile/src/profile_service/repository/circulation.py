"""What departments gave, which others read it, and what became of the segments that are drawn from it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import raw

Step = Literal["day", "month"]
Use = tuple[date, str, str, str]
"""Day, reader, giver, kind."""

_ADD_UP = """
WITH taken AS (
    DELETE FROM given_changes WHERE change_id IN (
        SELECT change_id FROM given_changes ORDER BY change_id LIMIT $1 FOR UPDATE SKIP LOCKED
    ) RETURNING day, source_id, kind, name, department, count
), added AS (
    INSERT INTO given_days AS g (day, source_id, kind, name, department, count)
    SELECT day, source_id, kind, name, department, sum(count) FROM taken GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 2, 3, 4, 5
    ON CONFLICT (day, source_id, kind, name, department) DO UPDATE SET count = g.count + excluded.count
)
SELECT count(*) FROM taken
"""
_GIVEN = """
SELECT date_trunc($3, day::timestamp)::date AS begins_on, department, kind, sum(count)::bigint AS count
FROM (SELECT day, department, kind, count FROM given_days UNION ALL
      SELECT day, department, kind, count FROM given_changes) AS given
WHERE day >= $1 AND day < $2
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
_SEGMENTS = """
SELECT s.key, s.name, p.department, COALESCE(d.entered, 0)::bigint AS entered
FROM segments s
LEFT JOIN segment_publishers p USING (segment_id)
LEFT JOIN (
    SELECT segment_id, sum(entered) AS entered FROM (
        SELECT segment_id, day, entered FROM segment_days UNION ALL
        SELECT segment_id, day, entered FROM segment_size_changes
    ) AS days WHERE day >= $1 AND day < $2 GROUP BY segment_id
) AS d USING (segment_id)
WHERE s.version > 0 AND s.archived_at IS NULL
ORDER BY s.key
"""
_RESULTS = """
SELECT e.name, count(*) AS events, count(DISTINCT e.customer_id) AS customers, COALESCE(sum(e.revenue), 0) AS revenue
FROM segment_memberships m
JOIN events e ON e.customer_id = m.customer_id AND e.name = ANY($2::text[])
    AND e.occurred_at > m.since AND e.occurred_at >= $3::timestamptz AND e.occurred_at < $4::timestamptz
WHERE m.segment_id = $1 AND m.is_member
GROUP BY e.name
"""


@dataclass(frozen=True)
class GivenRow:
    """What a department gave in a day or month; the department is empty where it is not known."""

    begins_on: date
    department: str
    kind: str
    count: int


@dataclass(frozen=True)
class UsedRow:
    """How often who read what a department gave."""

    reader: str
    giver: str
    kind: str
    count: int


@dataclass(frozen=True)
class SegmentUseRow:
    """A published segment, the department that published it, and how many entered."""

    key: str
    name: str
    department: str | None
    entered: int


@dataclass(frozen=True)
class ResultRow:
    """Events of a name of a segment's members since they entered."""

    name: str
    events: int
    customers: int
    revenue: Decimal


async def add_up_given(session: AsyncSession, *, limit: int) -> int:
    """Add up to so many changes to the days; returns how many there were."""
    count: int = await (await raw(session)).fetchval(_ADD_UP, limit)
    return count


async def add_uses(session: AsyncSession, uses: Mapping[Use, int]) -> None:
    """Add reads to the days."""
    ordered = sorted(uses)
    await (await raw(session)).execute(
        "INSERT INTO used_days AS u (day, reader, giver, kind, count) "
        "SELECT * FROM unnest($1::date[], $2::text[], $3::text[], $4::text[], $5::bigint[]) "
        "ON CONFLICT (day, reader, giver, kind) DO UPDATE SET count = u.count + excluded.count",
        *([use[place] for use in ordered] for place in range(4)),
        [uses[use] for use in ordered],
    )


async def note_publisher(session: AsyncSession, segment_id: UUID, department: str | None) -> None:
    """Remember the department that published a segment's present version."""
    await (await raw(session)).execute(
        "INSERT INTO segment_publishers (segment_id, department) VALUES ($1, $2) "
        "ON CONFLICT (segment_id) DO UPDATE SET department = excluded.department",
        segment_id,
        department,
    )


async def publisher_of(session: AsyncSession, segment_key: str) -> str | None:
    """The department that published a segment."""
    department: str | None = await (await raw(session)).fetchval(
        "SELECT p.department FROM segment_publishers p JOIN segments s USING (segment_id) WHERE s.key = $1", segment_key
    )
    return department


async def list_given(session: AsyncSession, *, first: date, end: date, step: Step) -> list[GivenRow]:
    """What each department gave, by day or month, from the first day until before `end`."""
    return [GivenRow(**row) for row in await (await raw(session)).fetch(_GIVEN, first, end, step)]


async def list_used(session: AsyncSession, *, first: date, end: date) -> list[UsedRow]:
    """Who read how much of what whom gave."""
    rows = await (await raw(session)).fetch(
        "SELECT reader, giver, kind, sum(count)::bigint AS count FROM used_days WHERE day >= $1 AND day < $2 "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        first,
        end,
    )
    return [UsedRow(**row) for row in rows]


async def list_segments(session: AsyncSession, *, first: date, end: date) -> list[SegmentUseRow]:
    """Segments in use by key."""
    return [SegmentUseRow(**row) for row in await (await raw(session)).fetch(_SEGMENTS, first, end)]


async def list_departments_by_name(session: AsyncSession) -> dict[tuple[str, str], frozenset[str]]:
    """(kind, name) -> departments whose sources have ever given events or traits of that name."""
    rows = await (await raw(session)).fetch(
        "SELECT DISTINCT g.kind, g.name, s.department FROM given_names g JOIN sources s USING (source_id) "
        "WHERE s.department IS NOT NULL"
    )
    found: dict[tuple[str, str], set[str]] = {}
    for kind, name, department in rows:
        found.setdefault((kind, name), set()).add(department)
    return {key: frozenset(departments) for key, departments in found.items()}


async def list_results(
    session: AsyncSession, segment_id: UUID, *, names: Sequence[str], starts_at: datetime, ends_at: datetime
) -> list[ResultRow]:
    """What a segment's present members did since they entered, in a period."""
    rows = await (await raw(session)).fetch(_RESULTS, segment_id, list(names), starts_at, ends_at)
    return [ResultRow(**row) for row in rows]
