"""SQL of the dry run of rules: the stored evidence, read in stretches of customers."""

from collections.abc import AsyncIterator, Collection, Sequence
from uuid import UUID

import asyncpg

from identity_service.rules.simulation import StoredAnchor, StoredHeld, StoredLink, StoredSeparation

_SHARED_NAMES = """
SELECT held_apart.namespace, held_apart.value, identifiers.customer_id
FROM held_apart JOIN identifiers USING (anchor_id)
UNION
SELECT namespace, value, identifiers.customer_id
FROM (SELECT DISTINCT namespace, value FROM held_apart) AS held JOIN identifiers USING (namespace, value)
ORDER BY 1, 2
"""

_CROSSING_LINKS = """
SELECT one.customer_id, other.customer_id
FROM links
JOIN identifiers AS one ON one.anchor_id = links.anchor_id
JOIN identifiers AS other ON other.anchor_id = links.other_anchor_id
WHERE one.customer_id <> other.customer_id
"""

_VALUES = "SELECT namespace, value, customer_id FROM identifiers WHERE namespace = ANY($1::text[])"

_STRETCH = """
SELECT customer_id, EXISTS (
    SELECT FROM identifiers WHERE identifiers.customer_id = customers.customer_id AND namespace = ANY($3::text[])
) AS may_change
FROM customers WHERE $1::uuid IS NULL OR customer_id > $1 ORDER BY customer_id LIMIT $2
"""

_ANCHORS = """
SELECT anchor_id, namespace, value, customer_id, source_id, event_id, rule, linked_at
FROM identifiers WHERE customer_id = ANY($1::uuid[])
"""

_LINKS = """
SELECT links.anchor_id, other_anchor_id, links.source_id, links.event_id, links.rule, links.linked_at
FROM identifiers JOIN links USING (anchor_id) WHERE customer_id = ANY($1::uuid[])
"""

_HELD = """
SELECT anchor_id, held_apart.namespace, held_apart.value, held_apart.source_id, held_apart.event_id, held_at
FROM identifiers JOIN held_apart USING (anchor_id) WHERE customer_id = ANY($1::uuid[])
"""

_SEPARATIONS = """
SELECT decision_id, anchor_id, side FROM identifiers JOIN separations USING (anchor_id)
WHERE is_active AND customer_id = ANY($1::uuid[])
"""


async def stream_shared_names(
    connection: asyncpg.Connection, *, stretch: int
) -> AsyncIterator[list[tuple[str, str, UUID]]]:
    """Give the identifiers that were held apart from somebody, with everybody they were seen with, in their order."""
    async for rows in _stream(connection, _SHARED_NAMES, (), stretch):
        yield [(row[0], row[1], row[2]) for row in rows]


async def stream_crossing_links(
    connection: asyncpg.Connection, *, stretch: int
) -> AsyncIterator[list[tuple[UUID, UUID]]]:
    """Give the customers between whom there is evidence although they are two."""
    async for rows in _stream(connection, _CROSSING_LINKS, (), stretch):
        yield [(row[0], row[1]) for row in rows]


async def stream_values(
    connection: asyncpg.Connection, namespaces: Sequence[str], *, stretch: int
) -> AsyncIterator[list[tuple[str, str, UUID]]]:
    """Give all identifiers of namespaces, with whose they are."""
    async for rows in _stream(connection, _VALUES, (namespaces,), stretch):
        yield [(row[0], row[1], row[2]) for row in rows]


async def _stream(
    connection: asyncpg.Connection, statement: str, arguments: tuple[object, ...], stretch: int
) -> AsyncIterator[list[asyncpg.Record]]:
    cursor = await connection.cursor(statement, *arguments)
    while rows := await cursor.fetch(stretch):
        yield rows


async def count_customers(connection: asyncpg.Connection) -> int:
    """Return how many customers there are."""
    number: int = await connection.fetchval("SELECT count(*) FROM customers")
    return number


async def find_stretch(
    connection: asyncpg.Connection, *, after: UUID | None, limit: int, changing: Sequence[str]
) -> list[tuple[UUID, bool]]:
    """Return the next customers in the order of their ids, each with whether it has an identifier of `changing`."""
    return [(row[0], row[1]) for row in await connection.fetch(_STRETCH, after, limit, changing)]


async def find_evidence(
    connection: asyncpg.Connection, customer_ids: Collection[UUID]
) -> tuple[list[StoredAnchor], list[StoredLink], list[StoredHeld], list[StoredSeparation]]:
    """Return everything stored about how these customers came about."""
    asked = list(customer_ids)
    return (
        [StoredAnchor(*row) for row in await connection.fetch(_ANCHORS, asked)],
        [StoredLink(*row) for row in await connection.fetch(_LINKS, asked)],
        [StoredHeld(*row) for row in await connection.fetch(_HELD, asked)],
        [StoredSeparation(*row) for row in await connection.fetch(_SEPARATIONS, asked)],
    )
