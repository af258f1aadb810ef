"""Lifts of categories: taken set-wise over everybody, read for the customers of a batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository.previews import SCAN_MEMORY
from profile_service.rules.next_categories import LiftSettings
from servicekit.database import raw

# $1 event, $2 property, $3 from, $4 now, $5 minimum of customers, $6 minimum of lift, $7 version.
# A basket of more than 50 categories is a shop's or a test's: it would pair everything with everything.
_TAKE = """
WITH bought AS MATERIALIZED (
    SELECT e.customer_id, e.properties ->> $2::text AS category FROM events e
    WHERE e.name = $1 AND e.occurred_at > $3 AND e.occurred_at <= $4
      AND jsonb_typeof(e.properties -> $2::text) = 'string'
      AND length(e.properties ->> $2::text) BETWEEN 1 AND 200
    GROUP BY 1, 2
), baskets AS MATERIALIZED (
    SELECT customer_id, category FROM (
        SELECT customer_id, category, count(*) OVER (PARTITION BY customer_id) AS size FROM bought
    ) AS b WHERE size <= 50
), sizes AS MATERIALIZED (
    SELECT category, count(*)::float AS customers FROM baskets GROUP BY category
), total AS (
    SELECT count(DISTINCT customer_id)::float AS customers FROM baskets
), pairs AS (
    SELECT a.category AS from_category, b.category AS to_category, count(*) AS customers
    FROM baskets a JOIN baskets b ON b.customer_id = a.customer_id AND b.category <> a.category
    GROUP BY 1, 2 HAVING count(*) >= $5
)
INSERT INTO category_lifts (from_category, to_category, version, customers, support, confidence, lift)
SELECT p.from_category, p.to_category, $7, p.customers, p.customers / t.customers, p.customers / f.customers,
       p.customers * t.customers / (f.customers * s.customers)
FROM pairs p CROSS JOIN total t
JOIN sizes f ON f.category = p.from_category JOIN sizes s ON s.category = p.to_category
WHERE p.customers * t.customers / (f.customers * s.customers) >= $6
"""

# $1 customers, $2 event, $3 property, $4 now, $5 version, $6 how many recent categories lead on, $7 how many to tell
_NEXT = """
WITH bought AS MATERIALIZED (
    SELECT t.customer_id, e.category, row_number() OVER (
        PARTITION BY t.customer_id ORDER BY e.bought_at DESC, e.category
    ) AS place
    FROM unnest($1::uuid[]) AS t (customer_id) CROSS JOIN LATERAL (
        SELECT e.properties ->> $3::text AS category, max(e.occurred_at) AS bought_at FROM events e
        WHERE e.customer_id = t.customer_id AND e.name = $2 AND e.occurred_at <= $4
          AND jsonb_typeof(e.properties -> $3::text) = 'string'
        GROUP BY 1
    ) AS e
), led AS (
    SELECT DISTINCT ON (b.customer_id, l.to_category) b.customer_id, l.to_category, l.from_category,
           l.customers, l.support, l.confidence, l.lift
    FROM bought b JOIN category_lifts l ON l.from_category = b.category AND l.version = $5
    WHERE b.place <= $6 AND NOT EXISTS (
        SELECT FROM bought o WHERE o.customer_id = b.customer_id AND o.category = l.to_category
    )
    ORDER BY b.customer_id, l.to_category, l.lift DESC, l.confidence DESC, l.from_category
), placed AS (
    SELECT led.*, row_number() OVER (
        PARTITION BY customer_id ORDER BY lift DESC, confidence DESC, to_category
    ) AS place FROM led
)
SELECT customer_id, to_category, from_category, customers, support, confidence, lift
FROM placed WHERE place <= $7 ORDER BY customer_id, place
"""


@dataclass(frozen=True)
class Lift:
    """A rule: who bought one category buys the other `lift` times as often as everybody."""

    to_category: str
    from_category: str
    customers: int
    support: float
    confidence: float
    lift: float


async def take_lifts(session: AsyncSession, settings: LiftSettings, *, version: int, now: datetime) -> None:
    """Take all lifts as a version, in one statement."""
    connection = await raw(session)
    await connection.execute(SCAN_MEMORY)
    await connection.execute(
        _TAKE, settings.event, settings.property, now - timedelta(days=settings.days), now,
        settings.minimum_customers, settings.minimum_lift, version,
    )  # fmt: skip


async def forget_lifts(session: AsyncSession, *, before: int | None = None) -> None:
    """Delete what earlier versions said; without one, all."""
    await (await raw(session)).execute("DELETE FROM category_lifts WHERE $1::int IS NULL OR version < $1", before)


async def next_categories(
    session: AsyncSession,
    customer_ids: Sequence[UUID],
    settings: LiftSettings,
    *,
    version: int,
    first: int,
    now: datetime,
) -> dict[UUID, list[Lift]]:
    """The categories not yet bought that each customer's recent ones lead to, the highest lift first."""
    rows = await (await raw(session)).fetch(
        _NEXT, list(customer_ids), settings.event, settings.property, now, version, settings.recent, first
    )
    found: dict[UUID, list[Lift]] = {}
    for customer_id, *rest in rows:
        found.setdefault(customer_id, []).append(Lift(*rest))
    return found


async def list_lifts(session: AsyncSession, *, version: int, from_category: str | None, limit: int) -> list[Lift]:
    """Rules, the highest lift first."""
    rows = await (await raw(session)).fetch(
        "SELECT to_category, from_category, customers, support, confidence, lift FROM category_lifts "
        "WHERE version = $1 AND ($2::text IS NULL OR from_category = $2) "
        "ORDER BY lift DESC, confidence DESC, from_category, to_category LIMIT $3",
        version, from_category, limit,
    )  # fmt: skip
    return [Lift(*row) for row in rows]
