"""What hangs on an erased customer without naming them: addresses and what is known of them, clicks."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from delivery_service.repository.permissions import SuppressionReason
from servicekit.database import raw
from servicekit.erasure import OWNED

Address = tuple[str, str]
"""Channel and normalised address."""

# Filled with names of our own tables and the chassis' condition on whose row it is, with nothing from outside.
_OF_ADDRESSES = """
SELECT to_jsonb(a) AS held FROM {table} a
WHERE (a.channel, a.address) IN (SELECT t.channel, t.address FROM contact_points t WHERE {owned})
"""
_CLICKS = "SELECT to_jsonb(c) AS held FROM message_clicks c JOIN messages t USING (message_id) WHERE {owned}"
_CLAIM_MESSAGES = "SELECT t.message_id FROM messages t WHERE {owned} LIMIT $2 FOR UPDATE OF t"
_CLAIM_CONTACT_POINTS = """
SELECT t.anchor_id, t.channel, t.address FROM contact_points t WHERE {owned} LIMIT $2 FOR UPDATE OF t
"""
_DELETE_BY_MESSAGE = "DELETE FROM {table} WHERE message_id = ANY($1::uuid[])"
_DELETE_BY_ADDRESS = """
DELETE FROM {table} WHERE (channel, address) IN (SELECT * FROM unnest($1::text[], $2::text[]))
"""

EXPORTED: Mapping[str, str] = {
    table: _OF_ADDRESSES.format(table=table, owned=OWNED)
    for table in ("permission_records", "permissions", "suppressions")
} | {"message_clicks": _CLICKS.format(owned=OWNED)}
"""Queries of what is disclosed beside the tables with a `customer_id`."""


async def claim_messages(session: AsyncSession, customer_ids: Sequence[UUID], *, limit: int) -> list[UUID]:
    """Lock some of the customers' messages: whoever notes a click of one of them is finished, or finds it gone."""
    rows = await (await raw(session)).fetch(
        _CLAIM_MESSAGES.format(owned=OWNED),
        list(customer_ids),
        limit,
    )
    return [row["message_id"] for row in rows]


async def delete_messages(session: AsyncSession, message_ids: Sequence[UUID]) -> dict[str, int]:
    """Delete locked messages and their clicks; return how many rows by table."""
    return {
        table: await _delete(session, _DELETE_BY_MESSAGE.format(table=table), list(message_ids))
        for table in ("message_clicks", "messages")
    }


async def claim_contact_points(
    session: AsyncSession, customer_ids: Sequence[UUID], *, limit: int
) -> dict[UUID, Address]:
    """Lock some of the customers' contact points; return their addresses by anchor."""
    rows = await (await raw(session)).fetch(
        _CLAIM_CONTACT_POINTS.format(owned=OWNED),
        list(customer_ids),
        limit,
    )
    return {row["anchor_id"]: (row["channel"], row["address"]) for row in rows}


async def delete_contact_points(session: AsyncSession, anchor_ids: Sequence[UUID]) -> int:
    """Delete contact points; return how many."""
    return await _delete(session, "DELETE FROM contact_points WHERE anchor_id = ANY($1::uuid[])", list(anchor_ids))


async def reached_by_nobody(
    session: AsyncSession, addresses: Sequence[Address]
) -> dict[Address, SuppressionReason | None]:
    """Return those of the addresses that no contact point has any more, and why they are suppressed, if they are."""
    rows = await (await raw(session)).fetch(
        """
        SELECT DISTINCT a.channel, a.address, s.reason
        FROM unnest($1::text[], $2::text[]) AS a (channel, address)
        LEFT JOIN suppressions s ON s.channel = a.channel AND s.address = a.address
        WHERE NOT EXISTS (SELECT FROM contact_points c WHERE c.channel = a.channel AND c.address = a.address)
        """,
        *_columns(addresses),
    )
    return {(row["channel"], row["address"]): row["reason"] for row in rows}


async def delete_addresses(session: AsyncSession, addresses: Sequence[Address]) -> dict[str, int]:
    """Delete all that is known of addresses; return how many rows by table."""
    return {
        table: await _delete(
            session,
            _DELETE_BY_ADDRESS.format(table=table),
            *_columns(addresses),
        )
        for table in ("permissions", "permission_records", "suppressions")
    }


async def remember_erased(
    session: AsyncSession, digests: Sequence[tuple[bytes, SuppressionReason | None]], *, erased_at: datetime
) -> None:
    """Remember the digests of erased addresses, and why nothing may be sent to them."""
    await (await raw(session)).execute(
        """
        INSERT INTO erased_addresses AS e (digest, suppression, erased_at)
        SELECT digest, suppression, $3 FROM unnest($1::bytea[], $2::text[]) AS t (digest, suppression) ORDER BY digest
        ON CONFLICT (digest) DO UPDATE SET
            suppression = coalesce(excluded.suppression, e.suppression),
            erased_at = greatest(excluded.erased_at, e.erased_at)
        """,
        [digest for digest, _ in digests],
        [suppression for _, suppression in digests],
        erased_at,
    )


async def any_address_is_erased(session: AsyncSession) -> bool:
    """Whether there is any digest to compare with."""
    return bool(await (await raw(session)).fetchval("SELECT EXISTS (SELECT FROM erased_addresses)"))


async def find_erased(
    session: AsyncSession, digests: Sequence[bytes]
) -> dict[bytes, tuple[datetime, SuppressionReason | None]]:
    """Return, of these digests, when their addresses were erased and why nothing may be sent to them."""
    rows = await (await raw(session)).fetch(
        "SELECT digest, erased_at, suppression FROM erased_addresses WHERE digest = ANY($1::bytea[])", list(digests)
    )
    return {row["digest"]: (row["erased_at"], row["suppression"]) for row in rows}


async def _delete(session: AsyncSession, statement: str, *values: object) -> int:
    status: str = await (await raw(session)).execute(statement, *values)
    return int(status.rsplit(" ", 1)[-1])


def _columns(addresses: Sequence[Address]) -> tuple[list[str], list[str]]:
    return [channel for channel, _ in addresses], [address for _, address in addresses]
