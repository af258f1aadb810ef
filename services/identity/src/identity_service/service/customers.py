"""Reads: who is this, whose is this, how much of the base is linked, what was rejected."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.repository import agreements
from identity_service.repository import reads as repository
from identity_service.repository.resolution import load_namespaces
from identity_service.rules.identifiers import identifier
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.database import raw


async def get_customers(
    session: AsyncSession,
    customer_ids: Sequence[UUID],
    *,
    legal_entity: str | None = None,
    purpose: str | None = None,
    clock: Clock,
) -> list[dict[str, Any]]:
    """Return each requested customer with its identifiers, in order; former ids are followed, unknown get nulls.

    With a legal entity and a purpose: with those identifiers that it may use for that now.
    """
    connection = await raw(session)
    rows = await repository.find_customers(connection, customer_ids)
    current = list({row.current_customer_id for row in rows if row.current_customer_id})
    identifiers = await repository.find_identifiers(connection, current)
    if legal_entity is not None and purpose is not None:
        in_force = await agreements.load_agreements(connection, at=clock.now())
        usable = await agreements.find_usable_anchors(
            connection,
            current,
            legal_entity=legal_entity,
            purpose=purpose,
            owners=in_force.owners_for(legal_entity, purpose),
        )
        identifiers = [one for one in identifiers if one["anchor_id"] in usable]
    held: defaultdict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for one in identifiers:
        held[one["customer_id"]].append(one)
    return [
        {
            **row._asdict(),
            "identifiers": [dict(one) for one in held[row.current_customer_id]] if row.current_customer_id else [],
        }
        for row in rows
    ]


async def look_up_identifiers(session: AsyncSession, names: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """Return whose each identifier is, in order. Values are compared in their normal form."""
    connection = await raw(session)
    normalisers = (await load_namespaces(connection)).normalisers
    normal = [
        identifier(namespace, value, normaliser=normalisers.get(namespace)) or (namespace, value)
        for namespace, value in names
    ]
    rows = await repository.look_up(connection, [(namespace, value) for namespace, value in normal])
    return [
        {"namespace": namespace, "value": value, **row} for (namespace, value), row in zip(names, rows, strict=True)
    ]


async def list_customers(session: AsyncSession, *, first: int, after: str | None) -> dict[str, Any]:
    """Return a page of customers, the oldest first.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    connection = await raw(session)
    last = decode_cursor(after, UUID)[0] if after else None
    found = await repository.list_customers(connection, after=last, limit=first + 1)
    page = cut_page(found, first, lambda customer_id: customer_id)
    return {
        "items": [{"customer_id": customer_id} for customer_id in page.items],
        "next": page.next,
        "total_count": await repository.count_customers(connection),
    }


async def list_rejections(session: AsyncSession, *, first: int, after: str | None) -> Page[dict[str, Any]]:
    """Return a page of rejected events, the newest first.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    last = decode_cursor(after, datetime, UUID) if after else None
    found = await repository.list_rejections(await raw(session), after=last, limit=first + 1)
    page = cut_page(found, first, lambda rejection: (rejection["received_at"], rejection["rejection_id"]))
    return Page([_rejection(row) for row in page.items], page.next)


def _rejection(row: asyncpg.Record) -> dict[str, Any]:
    return {**row, "index": row["position"], "payload": row["payload"].decode(errors="replace")}
