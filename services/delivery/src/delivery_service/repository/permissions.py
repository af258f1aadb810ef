"""Contact points, permissions and suppressions."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from delivery_service.rules import PermissionStatus
from servicekit.database import raw

SuppressionReason: TypeAlias = Literal["hard_bounce", "complaint", "manual"]

_ADDRESSES_LOCK = 0x61646472
"""Taken by whoever links addresses and whoever records permissions in bulk: each must see what the other committed, or
a permission recorded while its contact point is linked would never be announced."""


@dataclass(frozen=True, slots=True)
class ContactPointRow:
    """An address that belongs to an anchor."""

    anchor_id: UUID
    customer_id: UUID
    channel: str
    address: str
    source_id: str
    linked_at: datetime
    legal_entity: str | None
    purposes: list[str]


@dataclass(frozen=True, slots=True)
class GrantRow:
    """For whom else an anchor was brought, and for what."""

    anchor_id: UUID
    legal_entity: str
    purposes: list[str]
    customer_id: UUID
    source_id: str
    granted_at: datetime


@dataclass(frozen=True, slots=True)
class StatementRow:
    """One statement about an address and a topic."""

    record_id: UUID
    channel: str
    address: str
    topic: str
    status: PermissionStatus
    basis: str
    legal_entity: str
    recorded_at: datetime

    @property
    def place(self) -> tuple[str, str, str]:
        """What the statement is about."""
        return self.channel, self.address, self.topic


@dataclass(frozen=True, slots=True)
class OwnedPermission:
    """A current permission together with the contact point it belongs to."""

    anchor_id: UUID
    customer_id: UUID
    record_id: UUID
    channel: str
    topic: str
    status: PermissionStatus
    basis: str
    legal_entity: str
    recorded_at: datetime


async def hold_addresses(session: AsyncSession) -> None:
    """Wait for the other side of linking and recording, and hold it off until this transaction ends."""
    await (await raw(session)).execute("SELECT pg_advisory_xact_lock($1)", _ADDRESSES_LOCK)


async def insert_contact_points(session: AsyncSession, rows: Sequence[ContactPointRow]) -> list[UUID]:
    """Store contact points; return the anchors that were not known."""
    inserted = await (await raw(session)).fetch(
        """
        INSERT INTO contact_points (
            anchor_id, customer_id, channel, address, source_id, linked_at, legal_entity, purposes
        )
        SELECT DISTINCT ON (anchor_id) anchor_id, customer_id, channel, address, source_id, linked_at, legal_entity,
            ARRAY(SELECT jsonb_array_elements_text(purposes::jsonb))
        FROM unnest(
            $1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::timestamptz[], $7::text[], $8::text[]
        ) AS t (anchor_id, customer_id, channel, address, source_id, linked_at, legal_entity, purposes)
        ORDER BY anchor_id
        ON CONFLICT DO NOTHING RETURNING anchor_id
        """,
        [row.anchor_id for row in rows],
        [row.customer_id for row in rows],
        [row.channel for row in rows],
        [row.address for row in rows],
        [row.source_id for row in rows],
        [row.linked_at for row in rows],
        [row.legal_entity for row in rows],
        [json.dumps(row.purposes) for row in rows],
    )
    return [row["anchor_id"] for row in inserted]


async def insert_grants(session: AsyncSession, rows: Sequence[GrantRow]) -> None:
    """Store for whom else anchors were brought; what is known stays."""
    await (await raw(session)).execute(
        """
        INSERT INTO contact_point_grants (anchor_id, legal_entity, purposes, customer_id, source_id, granted_at)
        SELECT anchor_id, legal_entity, ARRAY(SELECT jsonb_array_elements_text(purposes::jsonb)), customer_id,
            source_id, granted_at
        FROM unnest($1::uuid[], $2::text[], $3::text[], $4::uuid[], $5::text[], $6::timestamptz[])
            AS t (anchor_id, legal_entity, purposes, customer_id, source_id, granted_at)
        ORDER BY anchor_id, legal_entity, purposes
        ON CONFLICT DO NOTHING
        """,
        [row.anchor_id for row in rows],
        [row.legal_entity for row in rows],
        [json.dumps(row.purposes) for row in rows],
        [row.customer_id for row in rows],
        [row.source_id for row in rows],
        [row.granted_at for row in rows],
    )


async def addresses_of_anchors(session: AsyncSession, anchor_ids: Iterable[UUID]) -> dict[UUID, tuple[str, str]]:
    """Return (channel, address) of the anchors that are contact points."""
    rows = await (await raw(session)).fetch(
        "SELECT anchor_id, channel, address FROM contact_points WHERE anchor_id = ANY($1::uuid[])", list(anchor_ids)
    )
    return {row["anchor_id"]: (row["channel"], row["address"]) for row in rows}


async def addresses_of_customer(session: AsyncSession, customer_id: UUID, channel: str) -> list[str]:
    """Return a customer's addresses of a channel; a contact point on its way is that of the customer it moves to."""
    rows = await (await raw(session)).fetch(
        """
        SELECT address FROM contact_points c WHERE customer_id = $1 AND channel = $2
          AND NOT EXISTS (SELECT FROM anchors a WHERE a.anchor_id = c.anchor_id AND a.customer_id <> c.customer_id)
        UNION
        SELECT c.address FROM anchors a JOIN contact_points c USING (anchor_id)
        WHERE a.customer_id = $1 AND a.pending > 0 AND c.channel = $2
        ORDER BY address
        """,
        customer_id,
        channel,
    )
    return [row["address"] for row in rows]


async def insert_statements(
    session: AsyncSession, rows: Sequence[StatementRow], *, received_at: datetime
) -> list[StatementRow]:
    """Append statements to the history; return those that were not in it yet."""
    inserted = await (await raw(session)).fetch(
        """
        INSERT INTO permission_records
            (record_id, channel, address, topic, status, basis, legal_entity, recorded_at, received_at)
        SELECT t.*, $9
        FROM unnest(
            $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]
        ) AS t (record_id, channel, address, topic, status, basis, legal_entity, recorded_at)
        ORDER BY channel, address, topic, recorded_at
        ON CONFLICT DO NOTHING RETURNING record_id
        """,
        *_columns(rows),
        received_at,
    )
    new = {row["record_id"] for row in inserted}
    return [row for row in rows if row.record_id in new]


async def current_statements(
    session: AsyncSession, places: Sequence[tuple[str, str, str]]
) -> dict[tuple[str, str, str], tuple[PermissionStatus, datetime]]:
    """Lock and return what holds now for (channel, address, topic)."""
    channels, addresses, topics = _places(places)
    rows = await (await raw(session)).fetch(
        """
        SELECT p.channel, p.address, p.topic, p.status, p.recorded_at
        FROM permissions p
        WHERE (p.channel, p.address, p.topic) IN (SELECT * FROM unnest($1::text[], $2::text[], $3::text[]))
        ORDER BY p.channel, p.address, p.topic FOR UPDATE
        """,
        channels,
        addresses,
        topics,
    )
    return {(row["channel"], row["address"], row["topic"]): (row["status"], row["recorded_at"]) for row in rows}


async def put_current(session: AsyncSession, rows: Sequence[StatementRow]) -> None:
    """Make statements the current ones (one per place), unless something later already holds."""
    await (await raw(session)).execute(
        """
        INSERT INTO permissions (record_id, channel, address, topic, status, basis, legal_entity, recorded_at)
        SELECT *
        FROM unnest(
            $1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::timestamptz[]
        ) AS t (record_id, channel, address, topic, status, basis, legal_entity, recorded_at)
        ORDER BY channel, address, topic
        ON CONFLICT (channel, address, topic) DO UPDATE SET
            record_id = excluded.record_id, status = excluded.status, basis = excluded.basis,
            legal_entity = excluded.legal_entity, recorded_at = excluded.recorded_at
        WHERE (excluded.recorded_at, excluded.status = 'withdrawn')
            > (permissions.recorded_at, permissions.status = 'withdrawn')
        """,
        *_columns(rows),
    )


async def owned_permissions_at(session: AsyncSession, places: Sequence[tuple[str, str, str]]) -> list[OwnedPermission]:
    """Return the current permissions of these (channel, address, topic) whose contact point is known."""
    channels, addresses, topics = _places(places)
    return _owned(
        await (await raw(session)).fetch(
            f"{_OWNED} JOIN unnest($1::text[], $2::text[], $3::text[]) AS w (channel, address, topic) "
            "ON (w.channel, w.address, w.topic) = (p.channel, p.address, p.topic)",
            channels,
            addresses,
            topics,
        )
    )


async def owned_permissions_of_anchors(session: AsyncSession, anchor_ids: Sequence[UUID]) -> list[OwnedPermission]:
    """Return the current permissions of these contact points."""
    return _owned(await (await raw(session)).fetch(f"{_OWNED} WHERE c.anchor_id = ANY($1::uuid[])", list(anchor_ids)))


async def owned_permissions_of_customers(session: AsyncSession, customer_ids: Sequence[UUID]) -> list[OwnedPermission]:
    """Return the current permissions of all contact points of these customers."""
    return _owned(
        await (await raw(session)).fetch(
            f"{_OWNED} WHERE c.customer_id = ANY($1::uuid[]) ORDER BY c.customer_id, c.channel, c.anchor_id, p.topic",
            list(customer_ids),
        )
    )


async def insert_suppressions(
    session: AsyncSession,
    rows: Sequence[tuple[str, str, UUID | None]],
    *,
    reason: SuppressionReason,
    moment: datetime,
) -> int:
    """Suppress (channel, address, message that bounced); return how many were not suppressed before."""
    status = await (await raw(session)).execute(
        """
        INSERT INTO suppressions (channel, address, reason, message_id, created_at)
        SELECT channel, address, $4, message_id, $5
        FROM unnest($1::text[], $2::text[], $3::uuid[]) AS t (channel, address, message_id) ORDER BY channel, address
        ON CONFLICT DO NOTHING
        """,
        [row[0] for row in rows],
        [row[1] for row in rows],
        [row[2] for row in rows],
        reason,
        moment,
    )
    return _count(status)


async def delete_suppressions(session: AsyncSession, places: Sequence[tuple[str, str]]) -> int:
    """Release addresses; return how many were suppressed."""
    status = await (await raw(session)).execute(
        "DELETE FROM suppressions WHERE (channel, address) IN (SELECT * FROM unnest($1::text[], $2::text[]))",
        [channel for channel, _ in places],
        [address for _, address in places],
    )
    return _count(status)


_OWNED = """
SELECT c.anchor_id, c.customer_id, p.record_id, p.channel, p.topic, p.status, p.basis, p.legal_entity, p.recorded_at
FROM contact_points c JOIN permissions p ON p.channel = c.channel AND p.address = c.address
"""


def _owned(rows: list[asyncpg.Record]) -> list[OwnedPermission]:
    return [OwnedPermission(**dict(row)) for row in rows]


def _columns(rows: Sequence[StatementRow]) -> list[list[object]]:
    names = ("record_id", "channel", "address", "topic", "status", "basis", "legal_entity", "recorded_at")
    return [[getattr(row, name) for row in rows] for name in names]


def _places(places: Sequence[tuple[str, str, str]]) -> tuple[list[str], list[str], list[str]]:
    return [place[0] for place in places], [place[1] for place in places], [place[2] for place in places]


def _count(status: str) -> int:
    return int(status.rsplit(" ", 1)[-1])
