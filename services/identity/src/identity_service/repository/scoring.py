"""SQL of what a run of probabilistic linking reads: records, permits, and who is kept apart.

The scoring process starts with every run: nothing here needs the models, which take longer to load than it to score.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from identity_service.linking.results import PERSON_FIELDS
from identity_service.rules.agreements import Permit
from identity_service.rules.linking import RecordSource

_APART_CANDIDATES = """
SELECT one.customer_id, other.customer_id AS other_customer_id
FROM link_candidates AS candidate
JOIN identifiers AS one ON one.anchor_id = candidate.anchor_id
JOIN identifiers AS other ON other.anchor_id = candidate.other_anchor_id
LEFT JOIN decisions USING (decision_id)
WHERE (candidate.state IN ('rejected', 'undone') OR decisions.undone_by IS NOT NULL)
  AND one.customer_id <> other.customer_id
"""

_SEPARATED = """
SELECT one.customer_id, other.customer_id AS other_customer_id
FROM (
    SELECT DISTINCT decision_id, side, customer_id FROM separations JOIN identifiers USING (anchor_id) WHERE is_active
) AS one
JOIN (
    SELECT DISTINCT decision_id, side, customer_id FROM separations JOIN identifiers USING (anchor_id) WHERE is_active
) AS other ON other.decision_id = one.decision_id AND one.side = 0 AND other.side = 1
WHERE one.customer_id <> other.customer_id
"""

_APART = f"""
SELECT DISTINCT least(customer_id, other_customer_id), greatest(customer_id, other_customer_id)
FROM ({_APART_CANDIDATES} UNION ALL {_SEPARATED}) AS pairs
WHERE $1::uuid[] IS NULL OR customer_id = ANY($1) OR other_customer_id = ANY($1)
"""  # noqa: S608 - put together from the constants above

CHANGED_BETWEEN = """
SELECT customer_id FROM person_records JOIN identifiers USING (anchor_id) WHERE changed_at >= $2 AND changed_at < $3
UNION
SELECT identifiers.customer_id FROM moves JOIN identifiers USING (anchor_id) WHERE moved_at >= $2 AND moved_at < $3
"""
"""Customers of whom something new was said, or whose anchors moved, between $2 and $3."""

# the whole base goes through this: one pass, no sorting; columns as `linking.engine.link` takes them
_RECORDS = f"""
SELECT record.anchor_id || '/' || record.source_id AS record_id, identifier.customer_id, record.source_id,
    {", ".join(f"field.{name}" for name in PERSON_FIELDS)}
FROM person_records AS record
JOIN identifiers AS identifier USING (anchor_id)
JOIN sources ON sources.source_id = record.source_id
CROSS JOIN LATERAL jsonb_to_record(record.normal) AS field ({", ".join(f"{name} text" for name in PERSON_FIELDS)})
WHERE sources.legal_entity = ANY($1::text[]) AND record.normal <> '{{}}'
"""  # noqa: S608 - the fields are named in linking/results.py

_OLDEST_ANCHORS = """
SELECT DISTINCT ON (customer_id) customer_id, anchor_id
FROM identifiers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id, anchor_id
"""

_IN_FORCE = """
SELECT from_entity, to_entity, purposes FROM agreements
WHERE valid_from <= $1 AND (valid_until IS NULL OR valid_until > $1) AND removed_at IS NULL
"""


async def find_permits(connection: asyncpg.Connection, *, at: datetime) -> list[Permit]:
    """Return the agreements in force at a moment."""
    rows = await connection.fetch(_IN_FORCE, at)
    return [Permit(row["from_entity"], row["to_entity"], tuple(row["purposes"])) for row in rows]


async def find_record_sources(connection: asyncpg.Connection) -> list[RecordSource]:
    """Return all sources as linking sees them."""
    rows = await connection.fetch("SELECT source_id, legal_entity, purposes FROM sources ORDER BY source_id")
    return [RecordSource(row["source_id"], row["legal_entity"], tuple(row["purposes"])) for row in rows]


async def copy_records(
    connection: asyncpg.Connection, entities: Sequence[str], write: Callable[[bytes], Awaitable[None]]
) -> None:
    """Stream the person records of these legal entities as CSV with a header; nulls are empty and unquoted."""
    await connection.copy_from_query(_RECORDS, list(entities), output=write, format="csv", header=True)


async def find_changed_customers(connection: asyncpg.Connection, *, since: datetime, until: datetime) -> list[UUID]:
    """Return the customers of whom something new was said, or whose anchors moved, between two moments."""
    rows = await connection.fetch(f"SELECT customer_id FROM ({CHANGED_BETWEEN}) AS t WHERE $1", True, since, until)  # noqa: S608 - a constant
    return [row["customer_id"] for row in rows]


async def find_apart(
    connection: asyncpg.Connection, customer_ids: Sequence[UUID] | None = None
) -> list[tuple[UUID, UUID]]:
    """Return the pairs of customers (all, or those of these) that no machine links: separated, rejected, or undone."""
    return [(row[0], row[1]) for row in await connection.fetch(_APART, customer_ids)]


async def find_oldest_anchors(connection: asyncpg.Connection, customer_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Return the oldest anchor of each customer that still is one."""
    rows = await connection.fetch(_OLDEST_ANCHORS, customer_ids)
    return {row["customer_id"]: row["anchor_id"] for row in rows}
