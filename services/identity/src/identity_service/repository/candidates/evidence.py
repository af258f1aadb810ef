"""What customers hold against the limits on it, and the links that rest on two person records."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from identity_service.rules.identifiers import DEFAULT_LIMIT
from identity_service.rules.linking import Held, Holding, LinkUse, NamespaceLimits
from servicekit.database import json_text

_COUNTED = """
SELECT customer_id, namespace, value, CASE WHEN sources = '{}' THEN ARRAY[source_id] ELSE sources END AS sources
FROM identifiers
WHERE customer_id = ANY($1::uuid[]) AND is_current AND rule <> 'alias'
"""

# the evidence that the decision itself wrote, if any, is named by its id: this one says whose records it rests on
_EVIDENCE = """
INSERT INTO links
    (anchor_id, other_anchor_id, source_id, event_id, rule, score, legal_entity, purposes, linked_at)
SELECT anchor_id, other_anchor_id, source_id, event_id, rule, score, legal_entity,
    ARRAY(SELECT jsonb_array_elements_text(purposes::jsonb)), $1::timestamptz
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::float[], $8::text[], $9::text[])
    AS t (anchor_id, other_anchor_id, source_id, event_id, rule, score, legal_entity, purposes)
ON CONFLICT (anchor_id, other_anchor_id, source_id) DO NOTHING
"""


class Evidence(NamedTuple):
    """A link of `links` that rests on two person records."""

    anchor_id: UUID
    other_anchor_id: UUID
    decision_id: UUID
    rule: str
    score: float
    use: LinkUse


async def find_held(
    connection: asyncpg.Connection, customer_ids: Sequence[UUID], limits: NamespaceLimits
) -> dict[UUID, Held]:
    """Return the identifiers of customers as limits count them."""
    held: defaultdict[UUID, defaultdict[Holding, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in await connection.fetch(_COUNTED, customer_ids):
        for holding in limits.holdings(row["namespace"], row["sources"]):
            held[row["customer_id"]][holding].add(row["value"])
    return {customer_id: dict(holdings) for customer_id, holdings in held.items()}


async def find_limits(connection: asyncpg.Connection) -> NamespaceLimits:
    """Return how many values of each namespace a customer may hold."""
    rows = await connection.fetch("SELECT name, value_limit, is_unique, is_shared FROM namespaces")
    return NamespaceLimits(
        {row["name"]: row["value_limit"] for row in rows},
        default=DEFAULT_LIMIT,
        unique=[row["name"] for row in rows if row["is_unique"]],
        shared=[row["name"] for row in rows if row["is_shared"]],
    )


async def save_evidence(connection: asyncpg.Connection, evidence: Sequence[Evidence], *, at: datetime) -> None:
    """Write links that rest on person records; a link the same source gave before stays."""
    if not evidence:
        return
    rows = [
        (
            one.anchor_id,
            one.other_anchor_id,
            one.use.source_id,
            one.decision_id,
            one.rule,
            one.score,
            one.use.legal_entity,
            json_text(one.use.purposes),
        )
        for one in evidence
    ]
    await connection.execute(_EVIDENCE, at, *(list(column) for column in zip(*rows, strict=True)))
