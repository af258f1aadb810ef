"""Agreements between legal entities, as identity told them."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from delivery_service.rules import Permit
from servicekit.database import raw


@dataclass(frozen=True, slots=True)
class AgreementRow:
    """A version of an agreement."""

    agreement_id: str
    version: int
    from_entity: str
    to_entity: str
    purposes: list[str]
    valid_from: datetime
    valid_until: datetime | None
    removed: bool


async def put_agreements(session: AsyncSession, rows: Sequence[AgreementRow]) -> None:
    """Store agreements; of each the highest version stays."""
    await (await raw(session)).execute(
        """
        INSERT INTO agreements
            (agreement_id, version, from_entity, to_entity, purposes, valid_from, valid_until, removed)
        SELECT DISTINCT ON (agreement_id) agreement_id, version, from_entity, to_entity,
            ARRAY(SELECT jsonb_array_elements_text(purposes::jsonb)), valid_from, valid_until, removed
        FROM unnest(
            $1::text[], $2::int[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::bool[]
        ) AS t (agreement_id, version, from_entity, to_entity, purposes, valid_from, valid_until, removed)
        ORDER BY agreement_id, version DESC
        ON CONFLICT (agreement_id) DO UPDATE SET
            version = excluded.version, from_entity = excluded.from_entity, to_entity = excluded.to_entity,
            purposes = excluded.purposes, valid_from = excluded.valid_from, valid_until = excluded.valid_until,
            removed = excluded.removed
        WHERE excluded.version > agreements.version
        """,
        [row.agreement_id for row in rows],
        [row.version for row in rows],
        [row.from_entity for row in rows],
        [row.to_entity for row in rows],
        [json.dumps(row.purposes) for row in rows],
        [row.valid_from for row in rows],
        [row.valid_until for row in rows],
        [row.removed for row in rows],
    )


async def find_permits(session: AsyncSession, senders: Collection[str], *, at: datetime) -> list[Permit]:
    """Return what agreements in force at a moment permit these legal entities."""
    rows = await (await raw(session)).fetch(
        """
        SELECT from_entity, to_entity, purposes FROM agreements
        WHERE to_entity = ANY($1::text[]) AND NOT removed
          AND valid_from <= $2 AND (valid_until IS NULL OR valid_until > $2)
        """,
        sorted(senders),
        at,
    )
    return [Permit(row["from_entity"], row["to_entity"], tuple(row["purposes"])) for row in rows]
