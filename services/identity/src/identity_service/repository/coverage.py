"""SQL of coverage: counted set-wise in the background, read from what is kept."""

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

import asyncpg

_LOCK = 0x636F766572616765
"""Held while counting: once is enough, however many workers there are."""

_MARKER = """
SELECT coalesce(string_agg(format('%s:%s', relname, n_tup_ins + n_tup_upd + n_tup_del), ',' ORDER BY relname), '')
FROM pg_stat_user_tables WHERE relname IN ('customers', 'identifiers', 'namespaces', 'sources')
"""

_FLAGS = """
SELECT customer_id,
    bool_or(NOT coalesce(is_shared OR is_outside, false)) AS is_known,
    bool_or(coalesce(is_outside, false)) AS is_outside,
    min(namespace) <> max(namespace) AS is_linked
FROM identifiers LEFT JOIN namespaces ON namespaces.name = identifiers.namespace
GROUP BY customer_id
"""
"""Per customer: known by an identifier that is its own, linked to an outside id, linked at all."""

_COUNT_DAY = f"""
WITH flags AS MATERIALIZED ({_FLAGS}), held AS (
    SELECT namespace, count(*) AS identifiers FROM identifiers GROUP BY namespace
), brought AS (
    SELECT customer_id, namespace, source_id, coalesce(sources.brand, source_id) AS brand
    FROM (
        SELECT customer_id, namespace,
            unnest(CASE WHEN sources = '{{}}' THEN ARRAY[source_id] ELSE sources END) AS source_id
        FROM identifiers
    ) AS one
    LEFT JOIN sources USING (source_id)
), cells AS (
    SELECT customer_id, coalesce(brand, '') AS brand, coalesce(source_id, '') AS source_id,
        coalesce(namespace, '') AS namespace
    FROM brought
    GROUP BY GROUPING SETS (
        (customer_id), (customer_id, namespace), (customer_id, brand), (customer_id, brand, namespace),
        (customer_id, brand, source_id), (customer_id, brand, source_id, namespace)
    )
)
INSERT INTO coverage_days (
    day, brand, source_id, namespace, customers, known, anonymous, linked, linked_outside, identifiers, computed_at
)
SELECT $1::date, brand, source_id, namespace, count(*), count(*) FILTER (WHERE is_known),
    count(*) FILTER (WHERE NOT is_known), count(*) FILTER (WHERE is_linked), count(*) FILTER (WHERE is_outside),
    CASE WHEN brand = '' AND source_id = '' THEN
        coalesce((SELECT sum(identifiers) FROM held WHERE cells.namespace IN ('', held.namespace)), 0)
    ELSE 0 END, $2
FROM cells JOIN flags USING (customer_id)
GROUP BY brand, source_id, namespace
"""  # noqa: S608 - both parts stand here

_LIVE = f"""
WITH flags AS ({_FLAGS})
SELECT count(*) AS customers, count(*) FILTER (WHERE is_known) AS known, count(*) FILTER (WHERE is_linked) AS linked,
    count(*) FILTER (WHERE is_outside) AS linked_outside,
    (SELECT coalesce(jsonb_object_agg(namespace, held), '{{}}') FROM (
        SELECT namespace, count(*) AS held FROM identifiers GROUP BY namespace
    ) AS counted)::text AS by_namespace
FROM flags
"""  # noqa: S608 - both parts stand here

_KEPT = """
SELECT customers, known, linked, linked_outside, computed_at,
    (SELECT coalesce(jsonb_object_agg(namespace, identifiers), '{}') FROM coverage_days AS one
        WHERE one.day = coverage_days.day AND brand = '' AND source_id = '' AND namespace <> '')::text AS by_namespace
FROM coverage_days WHERE brand = '' AND source_id = '' AND namespace = '' ORDER BY day DESC LIMIT 1
"""

_HISTORY = """
SELECT day, brand, source_id, namespace, customers, known, anonymous, linked_outside
FROM coverage_days
WHERE day BETWEEN $1 AND $2
  AND CASE WHEN $3 = '*' THEN brand <> '' WHEN $3 = '' AND $4 <> '' THEN true ELSE brand = $3 END
  AND CASE $4 WHEN '*' THEN source_id <> '' ELSE source_id = $4 END
  AND CASE $5 WHEN '*' THEN namespace <> '' ELSE namespace = $5 END
  AND ($6::date IS NULL OR (day, brand, source_id, namespace) > ($6, $7::text, $8::text, $9::text))
ORDER BY day, brand, source_id, namespace LIMIT $10
"""


async def lock(connection: asyncpg.Connection) -> None:
    """Wait until no other worker counts; held until the transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK)


async def read_marker(connection: asyncpg.Connection) -> str:
    """Return a text that changes whenever anything changes that is counted (PostgreSQL's own row statistics)."""
    marker: str = await connection.fetchval(_MARKER)
    return marker


async def find_last_count(connection: asyncpg.Connection) -> tuple[str, date] | None:
    """Return the marker and the day of the last count."""
    row = await connection.fetchrow("SELECT marker, day FROM coverage_state")
    return None if row is None else (row["marker"], row["day"])


async def count_day(connection: asyncpg.Connection, *, day: date, marker: str, at: datetime) -> None:
    """Count coverage and keep it as that day's."""
    await connection.execute("SET LOCAL work_mem = '64MB'")
    await connection.execute("DELETE FROM coverage_days WHERE day = $1", day)
    await connection.execute(_COUNT_DAY, day, at)
    await connection.execute(
        "INSERT INTO coverage_state (singleton, marker, day, computed_at) VALUES (1, $1, $2, $3) "
        "ON CONFLICT (singleton) DO UPDATE SET marker = $1, day = $2, computed_at = $3",
        marker,
        day,
        at,
    )


async def identifiers_bytes(connection: asyncpg.Connection) -> int:
    """Return how large the table of identifiers is, without reading it."""
    size: int = await connection.fetchval("SELECT pg_relation_size('identifiers')")
    return size


async def read_live(connection: asyncpg.Connection) -> dict[str, Any]:
    """Count the whole base now: a scan."""
    return _counts(await connection.fetchrow(_LIVE))


async def read_kept(connection: asyncpg.Connection) -> dict[str, Any] | None:
    """Return the last count of the whole base."""
    row = await connection.fetchrow(_KEPT)
    return None if row is None else _counts(row)


def _counts(row: asyncpg.Record) -> dict[str, Any]:
    return {**row, "by_namespace": json.loads(row["by_namespace"])}


async def read_event_totals(connection: asyncpg.Connection) -> asyncpg.Record:
    """Return how many events were accepted, rejected and dropped as repetitions."""
    return await connection.fetchrow("SELECT accepted, rejected, duplicates FROM ingest_totals")


async def read_history(
    connection: asyncpg.Connection,
    *,
    since: date,
    until: date,
    brand: str,
    source_id: str,
    namespace: str,
    after: Sequence[object] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Return counts by day. Of each dimension: '' all together, '*' each, otherwise that one."""
    rows: list[asyncpg.Record] = await connection.fetch(
        _HISTORY, since, until, brand, source_id, namespace, *(after or (None, None, None, None)), limit
    )
    return rows
