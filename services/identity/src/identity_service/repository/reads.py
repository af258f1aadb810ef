"""SQL of the reads. Batch reads are one statement each, whatever is asked."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

import asyncpg

_CUSTOMERS = """
SELECT asked.customer_id, customers.customer_id AS current_customer_id, customers.created_at
FROM unnest($1::uuid[]) WITH ORDINALITY AS asked (customer_id, position)
LEFT JOIN former_customers AS former ON former.customer_id = asked.customer_id
LEFT JOIN identifiers AS oldest ON oldest.anchor_id = former.anchor_id
LEFT JOIN customers
    ON customers.customer_id = coalesce(oldest.customer_id, former.current_customer_id, asked.customer_id)
ORDER BY asked.position
"""

_IDENTIFIERS = """
SELECT customer_id, anchor_id, namespace, value, source_id, linked_at
FROM identifiers WHERE customer_id = ANY($1::uuid[]) ORDER BY linked_at, anchor_id
"""

_LOOKUP = """
SELECT identifiers.customer_id, identifiers.anchor_id
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS asked (namespace, value, position)
LEFT JOIN identifiers
    ON identifiers.namespace = asked.namespace AND identifiers.value = asked.value AND identifiers.is_current
ORDER BY asked.position
"""

_CUSTOMER_PAGE = """
SELECT customer_id FROM customers WHERE $1::uuid IS NULL OR customer_id > $1 ORDER BY customer_id LIMIT $2
"""

_REJECTIONS = """
SELECT rejection_id, source_id, request_id, position, field, detail, payload, received_at
FROM rejections
WHERE $1::timestamptz IS NULL OR (received_at, rejection_id) < ($1, $2::uuid)
ORDER BY received_at DESC, rejection_id DESC LIMIT $3
"""


class CustomerRow(NamedTuple):
    """A requested customer id, and what it is now."""

    customer_id: UUID
    current_customer_id: UUID | None
    created_at: object


async def find_customers(connection: asyncpg.Connection, customer_ids: Sequence[UUID]) -> list[CustomerRow]:
    """Return one row per requested id, in order; former ids are followed."""
    return [CustomerRow(*row) for row in await connection.fetch(_CUSTOMERS, customer_ids)]


async def find_identifiers(connection: asyncpg.Connection, customer_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """Return the identifiers of customers, the oldest first."""
    rows: list[asyncpg.Record] = await connection.fetch(_IDENTIFIERS, customer_ids)
    return rows


async def look_up(connection: asyncpg.Connection, names: Sequence[tuple[str, str]]) -> list[asyncpg.Record]:
    """Return (customer_id, anchor_id) per (namespace, value), in order; nulls when nobody's."""
    rows: list[asyncpg.Record] = await connection.fetch(
        _LOOKUP, [name for name, _ in names], [value for _, value in names]
    )
    return rows


async def list_customers(connection: asyncpg.Connection, *, after: UUID | None, limit: int) -> list[UUID]:
    """Return customer ids after one, the oldest first."""
    return [row["customer_id"] for row in await connection.fetch(_CUSTOMER_PAGE, after, limit)]


async def count_customers(connection: asyncpg.Connection) -> int:
    """Return how many customers there are."""
    number: int = await connection.fetchval("SELECT count(*) FROM customers")
    return number


async def list_rejections(
    connection: asyncpg.Connection, *, after: Sequence[object] | None, limit: int
) -> list[asyncpg.Record]:
    """Return rejected events, the newest first, after (received_at, rejection_id)."""
    received_at, rejection_id = after or (None, None)
    rows: list[asyncpg.Record] = await connection.fetch(_REJECTIONS, received_at, rejection_id, limit)
    return rows
