"""SQL of for whom identifiers were brought: first (kept with the identifier), and then for whom else or what else."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from identity_service.rules.changes import SAME_EVENT, Grant
from identity_service.rules.resolution import ALIAS
from identity_service.rules.tracking import ID_SYNC

_RULES_OF_EVENTS = (SAME_EVENT, ALIAS, ID_SYNC)
"""Links by these say what a source may do with both; others are conclusions."""


def _covers(known: str, new: str) -> str:
    """SQL: whether what is known of an anchor allows all that a new bringer does; NULL where nothing is known."""
    return (
        f"({known}.legal_entity = {new}.legal_entity AND "
        f"({known}.purposes = '{{}}' OR {new}.purposes <> '{{}}' AND {new}.purposes <@ {known}.purposes))"
    )


COVERED_BY_THE_FIRST = _covers("identifiers", "bringing")
COVERED_BY_ANOTHER = (
    "EXISTS (SELECT FROM identifier_grants AS more WHERE more.anchor_id = identifiers.anchor_id AND "
    f"{_covers('more', 'bringing')})"
)
"""SQL: whether what is known of `identifiers` allows all that `bringing` (legal_entity, purposes) does."""

_SAVE = f"""
INSERT INTO identifier_grants (anchor_id, legal_entity, purposes, source_id, event_id, granted_at)
SELECT anchor_id, bringing.legal_entity, bringing.purposes, bringing.source_id, bringing.event_id, $6
FROM (
    SELECT anchor_id, legal_entity, string_to_array(purposes, E'\\n') AS purposes, source_id, event_id
    FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::uuid[])
        AS new (anchor_id, legal_entity, purposes, source_id, event_id)
) AS bringing
JOIN identifiers USING (anchor_id)
LEFT JOIN sources AS first ON first.source_id = identifiers.source_id AND identifiers.legal_entity IS NULL
WHERE {COVERED_BY_THE_FIRST} IS NOT TRUE AND {_covers("first", "bringing")} IS NOT TRUE AND NOT {COVERED_BY_ANOTHER}
ORDER BY anchor_id, bringing.legal_entity, bringing.purposes
ON CONFLICT DO NOTHING
RETURNING anchor_id, legal_entity, purposes
"""  # noqa: S608 - made of the constants above

_TAKE_UNKNOWN = """
SELECT anchor_id FROM identifiers
WHERE legal_entity IS NULL AND cardinality(sources) > 1 AND ($1::uuid IS NULL OR anchor_id > $1)
    AND EXISTS (SELECT FROM sources AS first WHERE first.source_id = identifiers.source_id)
ORDER BY anchor_id LIMIT $2 FOR NO KEY UPDATE
"""

_FILL_IN_FIRST = """
UPDATE identifiers SET legal_entity = first.legal_entity, purposes = first.purposes
FROM sources AS first
WHERE identifiers.anchor_id = ANY($1::uuid[]) AND first.source_id = identifiers.source_id
"""

_BROUGHT = """
WITH named AS (
    SELECT anchor_id, source_id, event_id, legal_entity, purposes FROM links
    WHERE anchor_id = ANY($1::uuid[]) AND rule = ANY($2::text[])
    UNION ALL
    SELECT other_anchor_id, source_id, event_id, legal_entity, purposes FROM links
    WHERE other_anchor_id = ANY($1::uuid[]) AND rule = ANY($2::text[])
)
SELECT identifiers.anchor_id, namespace, customer_id, source.source_id, named.event_id,
    coalesce(named.legal_entity, source.legal_entity) AS legal_entity,
    CASE WHEN named.anchor_id IS NULL THEN source.purposes ELSE named.purposes END AS purposes
FROM identifiers
JOIN sources AS source ON source.source_id = ANY(sources)
LEFT JOIN named ON named.anchor_id = identifiers.anchor_id AND named.source_id = source.source_id
WHERE identifiers.anchor_id = ANY($1::uuid[])
ORDER BY identifiers.anchor_id, source.source_id, named.event_id
"""


class Brought(NamedTuple):
    """An identifier with what somebody who brought it may do with it."""

    grant: Grant
    namespace: str
    customer_id: UUID
    source_id: str
    event_id: UUID | None
    """The first event that showed it; None where the version before did not keep it."""


async def save_grants(connection: asyncpg.Connection, brought: Sequence[Brought], *, at: datetime) -> list[Brought]:
    """Keep what is more than was known of these anchors; return that, each once for ever, whoever brings it again."""
    rows = await connection.fetch(
        _SAVE,
        [one.grant.anchor_id for one in brought],
        [one.grant.legal_entity for one in brought],
        ["\n".join(one.grant.purposes) for one in brought],
        [one.source_id for one in brought],
        [one.event_id for one in brought],
        at,
    )
    new = {Grant(anchor_id, legal_entity, tuple(purposes)) for anchor_id, legal_entity, purposes in rows}
    return [one for one in brought if one.grant in new]


async def take_unknown(connection: asyncpg.Connection, *, after: UUID | None, limit: int) -> list[UUID]:
    """Lock and return anchors that several sources brought in the time before it was kept for whom, in their order."""
    return [row["anchor_id"] for row in await connection.fetch(_TAKE_UNKNOWN, after, limit)]


async def fill_in_first(connection: asyncpg.Connection, anchor_ids: Sequence[UUID]) -> None:
    """Keep for whom anchors were brought first, as far as their source's present terms say."""
    await connection.execute(_FILL_IN_FIRST, anchor_ids)


async def find_brought(connection: asyncpg.Connection, anchor_ids: Sequence[UUID]) -> list[Brought]:
    """Return for whom all sources brought anchors: as their links say, else as the sources' present terms do."""
    found: dict[Grant, Brought] = {}
    for row in await connection.fetch(_BROUGHT, anchor_ids, _RULES_OF_EVENTS):
        grant = Grant(row["anchor_id"], row["legal_entity"], tuple(sorted(set(row["purposes"]))))
        found.setdefault(grant, Brought(grant, row["namespace"], row["customer_id"], row["source_id"], row["event_id"]))
    return list(found.values())
