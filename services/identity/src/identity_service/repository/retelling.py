"""SQL of telling identifiers once more: how far that is, and the next ones."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

_IDENTIFIERS = "identifiers"

_NEXT = """
SELECT anchor_id, customer_id, namespace, value, source_id, rule, legal_entity, purposes, linked_at
FROM identifiers WHERE anchor_id > $1 ORDER BY anchor_id LIMIT $2
"""


async def lock_place(connection: asyncpg.Connection) -> UUID | None:
    """Return the anchor up to which identifiers were told once more, locked; None: there is nothing to tell."""
    place: UUID | None = await connection.fetchval(
        "SELECT after FROM retellings WHERE name = $1 FOR UPDATE", _IDENTIFIERS
    )
    return place


async def next_identifiers(connection: asyncpg.Connection, after: UUID, *, limit: int) -> Sequence[asyncpg.Record]:
    """Return the identifiers behind an anchor, in the order of their anchors."""
    rows: Sequence[asyncpg.Record] = await connection.fetch(_NEXT, after, limit)
    return rows


async def save_place(connection: asyncpg.Connection, after: UUID) -> None:
    """Keep how far it is."""
    await connection.execute("UPDATE retellings SET after = $2 WHERE name = $1", _IDENTIFIERS, after)


async def finish(connection: asyncpg.Connection) -> None:
    """Everything is told."""
    await connection.execute("DELETE FROM retellings WHERE name = $1", _IDENTIFIERS)
