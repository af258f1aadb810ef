"""SQL of the digests by which partners' hashed values are recognised."""

from collections.abc import Collection, Mapping
from typing import NamedTuple
from uuid import UUID

import asyncpg

_MISSING = """
SELECT anchor_id, value FROM identifiers
WHERE namespace = ANY($1::text[]) AND digest IS NULL AND ($2::uuid IS NULL OR anchor_id > $2)
ORDER BY anchor_id LIMIT $3 FOR NO KEY UPDATE
"""

_FILL_IN = """
UPDATE identifiers SET digest = filled.digest
FROM unnest($1::uuid[], $2::bytea[]) AS filled (anchor_id, digest)
WHERE identifiers.anchor_id = filled.anchor_id
"""


class WithoutDigest(NamedTuple):
    """An identifier that partners may name hashed, and that is not found by it."""

    anchor_id: UUID
    value: str


async def find_without_digest(
    connection: asyncpg.Connection, namespaces: Collection[str], *, after: UUID | None, limit: int
) -> list[WithoutDigest]:
    """Return identifiers of these namespaces that have no digest, in the order of their anchors, locked."""
    return [WithoutDigest(*row) for row in await connection.fetch(_MISSING, list(namespaces), after, limit)]


async def fill_in_digests(connection: asyncpg.Connection, digests: Mapping[UUID, bytes]) -> None:
    """Write the digests of anchors."""
    await connection.execute(_FILL_IN, list(digests), list(digests.values()))
