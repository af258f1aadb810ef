"""Sources as identity tells of them: every version, with the span in which it holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import json_text, raw

_INSERT = """
INSERT INTO sources (source_id, version, name, department, brand, legal_entity, purposes, is_own, changed_at,
                     valid_from, valid_until)
SELECT source_id, version, name, department, brand, legal_entity,
       ARRAY(SELECT jsonb_array_elements_text(purposes::jsonb)), false, changed_at, changed_at, changed_at
FROM unnest($1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[])
    AS t (source_id, version, name, department, brand, legal_entity, purposes, changed_at)
WHERE NOT EXISTS (SELECT FROM sources o WHERE o.source_id = t.source_id AND o.is_own)
ON CONFLICT DO NOTHING
RETURNING source_id
"""
# A later version never begins earlier, whatever the clocks said.
_SET_SPANS = """
UPDATE sources s
SET valid_from = CASE WHEN b.is_first THEN '-infinity' ELSE b.begins_at END, valid_until = b.ends_at
FROM (
    SELECT source_id, version, begins_at, row_number() OVER versions = 1 AS is_first,
           COALESCE(lead(begins_at) OVER versions, 'infinity') AS ends_at
    FROM (SELECT source_id, version, max(changed_at) OVER (PARTITION BY source_id ORDER BY version) AS begins_at
          FROM sources WHERE source_id = ANY($1::text[])) AS begun
    WINDOW versions AS (PARTITION BY source_id ORDER BY version)
) AS b
WHERE s.source_id = b.source_id AND s.version = b.version
"""


@dataclass(frozen=True)
class SourceVersion:
    """A source as it is from `changed_at` on."""

    source_id: str
    version: int
    name: str
    department: str
    brand: str
    legal_entity: str
    purposes: Sequence[str]
    changed_at: datetime


async def record_versions(session: AsyncSession, versions: Sequence[SourceVersion]) -> bool:
    """Keep versions of sources, each once, in whatever order they are told.

    Returns whether a source belongs to another department at some moment than it did before.
    """
    connection = await raw(session)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('sources', 0))")
    source_ids = list({version.source_id for version in versions})
    before = await _departments(session, source_ids)
    rows = await connection.fetch(
        _INSERT,
        [version.source_id for version in versions],
        [version.version for version in versions],
        [version.name for version in versions],
        [version.department for version in versions],
        [version.brand for version in versions],
        [version.legal_entity for version in versions],
        [json_text(list(version.purposes)) for version in versions],
        [version.changed_at for version in versions],
    )
    if not rows:
        return False
    await connection.execute(_SET_SPANS, source_ids)
    return await _departments(session, source_ids) != before


async def _departments(session: AsyncSession, source_ids: Sequence[str]) -> list[tuple[str, str, str]]:
    """When which source came to which department; versions that change nothing of that left out."""
    rows = await (await raw(session)).fetch(
        """
        SELECT source_id, department, valid_from::text FROM (
            SELECT *, lag(department) OVER (PARTITION BY source_id ORDER BY version) AS former FROM sources
            WHERE source_id = ANY($1::text[])
        ) AS s WHERE department IS DISTINCT FROM former ORDER BY source_id, version
        """,
        list(source_ids),
    )
    return [tuple(row) for row in rows]


async def is_known(session: AsyncSession, source_id: str) -> bool:
    """Whether identity told of this source, or it is one of Kizuna's own services."""
    connection = await raw(session)
    known: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM sources WHERE source_id = $1)", source_id)
    return known
