"""Which kinds of identifiers are known of a customer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import raw

_RECORD = """
WITH told AS MATERIALIZED (
    SELECT DISTINCT ON (customer_id, namespace, anchor_id) *
    FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::timestamptz[])
        AS t (customer_id, namespace, anchor_id, source_id, occurred_at)
    ORDER BY customer_id, namespace, anchor_id
), inserted AS (
    INSERT INTO customer_identifiers (customer_id, namespace, anchor_id)
    SELECT customer_id, namespace, anchor_id FROM told ORDER BY 1, 2, 3
    ON CONFLICT DO NOTHING
    RETURNING customer_id, namespace, anchor_id
)
INSERT INTO given_changes (day, source_id, kind, name, department, count)
SELECT (t.occurred_at AT TIME ZONE $6::text)::date, t.source_id, 'identifier', t.namespace, COALESCE(s.department, ''),
       count(*)
FROM inserted JOIN told t USING (customer_id, namespace, anchor_id)
LEFT JOIN sources s ON s.source_id = t.source_id AND s.valid_from <= t.occurred_at AND t.occurred_at < s.valid_until
GROUP BY 1, 2, 4, 5
"""


@dataclass(frozen=True)
class Linked:
    """An identifier that a source brought: only its namespace."""

    customer_id: UUID
    namespace: str
    anchor_id: UUID
    source_id: str
    occurred_at: datetime


async def record_identifiers(session: AsyncSession, identifiers: Sequence[Linked], *, time_zone: str) -> None:
    """Note which identifiers are known, once each, and count who gave them."""
    await (await raw(session)).execute(
        _RECORD,
        [each.customer_id for each in identifiers],
        [each.namespace for each in identifiers],
        [each.anchor_id for each in identifiers],
        [each.source_id for each in identifiers],
        [each.occurred_at for each in identifiers],
        time_zone,
    )


async def lock_known(session: AsyncSession, customer_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the customers that have a timeline, locked in the order of their ids.

    Their rows are written anew: that tells a backfill under way that what it found may not hold any more.
    """
    rows = await (await raw(session)).fetch(
        "WITH held AS MATERIALIZED ("
        "SELECT customer_id FROM customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id FOR UPDATE"
        ") UPDATE customers c SET event_count = c.event_count FROM held WHERE c.customer_id = held.customer_id "
        "RETURNING c.customer_id",
        list(customer_ids),
    )
    return {row["customer_id"] for row in rows}
