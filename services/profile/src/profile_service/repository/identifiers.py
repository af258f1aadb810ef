"""Which kinds of identifiers are known of a customer."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import raw


async def record_identifiers(session: AsyncSession, identifiers: Sequence[tuple[UUID, str, UUID]]) -> None:
    """Note (customer, namespace, anchor), once each."""
    await (await raw(session)).execute(
        "INSERT INTO customer_identifiers (customer_id, namespace, anchor_id) "
        "SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[], $3::uuid[]) ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING",
        [customer_id for customer_id, _, _ in identifiers],
        [namespace for _, namespace, _ in identifiers],
        [anchor_id for _, _, anchor_id in identifiers],
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
