"""Static lists: who was put on which, as facts that hang on anchors."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import raw
from servicekit.erasure import OWNED

# A customer's row hangs on the anchor of its latest event, and stands under whoever holds that anchor now: a move that
# is remembered but not carried out yet will not look for rows that come behind it.
_ADD = """
WITH asked AS (
    SELECT c.customer_id AS asked_id, c.latest_anchor_id AS anchor_id,
           COALESCE(a.customer_id, c.customer_id) AS customer_id
    FROM customers c LEFT JOIN anchors a ON a.anchor_id = c.latest_anchor_id
    WHERE c.customer_id = ANY($1::uuid[])
), inserted AS (
    INSERT INTO static_list_members (customer_id, segment_id, anchor_id, added_at, added_by)
    SELECT customer_id, $2::uuid, anchor_id, $3::timestamptz, $4::text FROM asked
    WHERE NOT EXISTS (SELECT FROM static_list_members l
                      WHERE l.customer_id = asked.asked_id AND l.segment_id = $2::uuid)
    ORDER BY customer_id
    ON CONFLICT DO NOTHING
    RETURNING anchor_id
)
SELECT asked_id AS customer_id FROM asked JOIN inserted USING (anchor_id)
"""
_REMOVE = f"""
WITH gone AS (
    DELETE FROM static_list_members t WHERE t.segment_id = $2::uuid AND {OWNED} RETURNING t.customer_id, t.anchor_id
)
SELECT DISTINCT COALESCE(a.customer_id, gone.customer_id) AS customer_id
FROM gone LEFT JOIN anchors a ON a.anchor_id = gone.anchor_id
"""  # noqa: S608  # our own text


async def add_members(
    session: AsyncSession, segment_id: UUID, customer_ids: Sequence[UUID], *, added_by: str, now: datetime
) -> set[UUID]:
    """Put customers that profile knows on a list; return those that were not on it. Hold moves before."""
    rows = await (await raw(session)).fetch(_ADD, list(customer_ids), segment_id, now, added_by)
    return {row["customer_id"] for row in rows}


async def remove_members(session: AsyncSession, segment_id: UUID, customer_ids: Sequence[UUID]) -> set[UUID]:
    """Take customers off a list, by whatever anchor they are on it; return those that were. Hold moves before."""
    rows = await (await raw(session)).fetch(_REMOVE, list(customer_ids), segment_id)
    return {row["customer_id"] for row in rows}


async def known_among(session: AsyncSession, customer_ids: Sequence[UUID]) -> set[UUID]:
    """Those of the customers that have a timeline, locked in the order of their ids, their rows written anew.

    A new version of the row tells a backfill under way that what it found about the customer may not hold any more.
    """
    rows = await (await raw(session)).fetch(
        "UPDATE customers SET event_count = event_count WHERE customer_id IN ("
        "SELECT customer_id FROM customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id FOR UPDATE"
        ") RETURNING customer_id",
        list(customer_ids),
    )
    return {row["customer_id"] for row in rows}
