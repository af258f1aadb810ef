"""SQL of agreements, and of what a legal entity may see of customers under them."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlmodel import col

from identity_service.models import Agreement
from identity_service.rules.agreements import Agreements, Permit

_IN_FORCE = """
SELECT from_entity, to_entity, purposes FROM agreements
WHERE valid_from <= $1 AND (valid_until IS NULL OR valid_until > $1) AND removed_at IS NULL
"""

_USABLE = """
WITH RECURSIVE held AS MATERIALIZED (
    SELECT anchor_id, customer_id, legal_entity, purposes,
        CASE WHEN sources = '{}' THEN ARRAY[source_id] ELSE sources END AS sources
    FROM identifiers WHERE customer_id = ANY($1::uuid[])
), own_sources AS (
    SELECT coalesce(array_agg(source_id), '{}') AS ids
    FROM sources WHERE legal_entity = $2 AND (purposes = '{}' OR $3 = ANY(purposes))
), usable AS MATERIALIZED (
    SELECT held.anchor_id, links.other_anchor_id
    FROM held
    JOIN links USING (anchor_id)
    JOIN held AS other ON other.anchor_id = links.other_anchor_id AND other.customer_id = held.customer_id
    LEFT JOIN sources ON sources.source_id = links.source_id
    WHERE coalesce(links.legal_entity, sources.legal_entity) = ANY($4::text[])
      AND (links.purposes = '{}' OR $3 = ANY(links.purposes))
), edges AS MATERIALIZED (
    SELECT anchor_id, other_anchor_id FROM usable
    UNION
    SELECT other_anchor_id, anchor_id FROM usable
), reached AS (
    SELECT held.anchor_id FROM held, own_sources
    WHERE held.legal_entity = $2 AND (held.purposes = '{}' OR $3 = ANY(held.purposes))
        OR held.legal_entity IS NULL AND held.sources && own_sources.ids
    UNION
    SELECT held.anchor_id FROM held JOIN identifier_grants AS more USING (anchor_id)
    WHERE more.legal_entity = $2 AND (more.purposes = '{}' OR $3 = ANY(more.purposes))
    UNION
    SELECT edges.other_anchor_id FROM reached JOIN edges USING (anchor_id)
)
SELECT anchor_id FROM reached
"""


async def load_agreements(connection: asyncpg.Connection, *, at: datetime) -> Agreements:
    """Return the agreements in force at a moment."""
    rows = await connection.fetch(_IN_FORCE, at)
    return Agreements(Permit(row["from_entity"], row["to_entity"], tuple(row["purposes"])) for row in rows)


async def find_usable_anchors(
    connection: asyncpg.Connection,
    customer_ids: Sequence[UUID],
    *,
    legal_entity: str,
    purpose: str,
    owners: Sequence[str],
) -> set[UUID]:
    """Return the anchors of customers that a legal entity may use for a purpose.

    Those that were brought for it and for that purpose (whoever else brought them, too), and what is reached from them
    over links of `owners` made for that purpose. A link of which no legal entity is known (a person's decision) leads
    nowhere: nobody's permission covers it.
    """
    rows = await connection.fetch(_USABLE, customer_ids, legal_entity, purpose, owners)
    return {row["anchor_id"] for row in rows}


async def find_agreement(session: AsyncSession, agreement_id: str) -> Agreement | None:
    """Return an agreement, also one that was removed."""
    statement = select(Agreement).where(col(Agreement.agreement_id) == agreement_id)
    return (await session.execute(statement)).scalar_one_or_none()


async def list_agreements(session: AsyncSession, *, after: str | None, limit: int) -> Sequence[Agreement]:
    """Return agreements by id, after one; those that were removed are none."""
    statement = select(Agreement).where(col(Agreement.removed_at).is_(None)).order_by(col(Agreement.agreement_id))
    if after is not None:
        statement = statement.where(col(Agreement.agreement_id) > after)
    return (await session.execute(statement.limit(limit))).scalars().all()


async def take_untold(session: AsyncSession, *, limit: int) -> Sequence[Agreement]:
    """Lock and return agreements of whose present version others were not told."""
    statement = (
        select(Agreement)
        .where(col(Agreement.told_version).is_distinct_from(col(Agreement.version)))
        .order_by(col(Agreement.agreement_id))
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    return (await session.execute(statement)).scalars().all()


async def save_agreements(session: AsyncSession, agreements: Sequence[Agreement]) -> None:
    """Insert agreements, or write their changes."""
    session.add_all(agreements)
    await session.flush()
