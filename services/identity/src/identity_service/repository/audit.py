"""SQL of what is kept as the proof: erasures with their receipts, disclosures."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from servicekit.database import json_text

_ERASURE_COLUMNS = (
    "erasure_id, customer_id, requested_by, why, requested_at, completed_at, streams_expire_at, "
    "(SELECT coalesce(jsonb_agg(jsonb_build_object('service', r.service, 'erased_at', r.erased_at, 'rows', r.rows) "
    "ORDER BY r.erased_at, r.service), '[]') FROM erasure_receipts r WHERE r.erasure_id = e.erasure_id) AS receipts"
)


async def insert_erasure(
    connection: asyncpg.Connection,
    erasure_id: UUID,
    customer_ids: Sequence[UUID],
    *,
    requested_by: str,
    why: str,
    requested_at: datetime,
    streams_expire_at: datetime,
) -> None:
    """Write down that the first of these ids, with the former ones that follow, is erased."""
    await connection.execute(
        "INSERT INTO erasures (erasure_id, customer_id, former_customer_ids, requested_by, why, requested_at, "
        "streams_expire_at) VALUES ($1, $2, $3, $4, $5, $6, $7)",
        erasure_id,
        customer_ids[0],
        list(customer_ids[1:]),
        requested_by,
        why,
        requested_at,
        streams_expire_at,
    )


async def find_erasure(connection: asyncpg.Connection, erasure_id: UUID) -> asyncpg.Record | None:
    """Return an erasure with its receipts."""
    return await connection.fetchrow(
        f"SELECT {_ERASURE_COLUMNS} FROM erasures e WHERE erasure_id = $1",  # noqa: S608 - the columns are named above
        erasure_id,
    )


async def find_erasure_of(connection: asyncpg.Connection, customer_id: UUID) -> UUID | None:
    """Return the erasure of a customer, by a present or former id."""
    erasure_id: UUID | None = await connection.fetchval(
        "SELECT erasure_id FROM erased_customers WHERE customer_id = $1", customer_id
    )
    return erasure_id


async def list_erasures(
    connection: asyncpg.Connection, *, after: Sequence[Any] | None, limit: int
) -> list[asyncpg.Record]:
    """Return erasures, the newest first, after (requested_at, erasure_id)."""
    requested_at, erasure_id = after or (None, None)
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT {_ERASURE_COLUMNS} FROM erasures e "  # noqa: S608 - the columns are named above
        "WHERE $1::timestamptz IS NULL OR (requested_at, erasure_id) < ($1, $2::uuid) "
        "ORDER BY requested_at DESC, erasure_id DESC LIMIT $3",
        requested_at,
        erasure_id,
        limit,
    )
    return rows


async def insert_receipt(
    connection: asyncpg.Connection, erasure_id: UUID, service: str, *, erased_at: datetime, rows: Mapping[str, int]
) -> None:
    """Keep a service's receipt; a later one of the same service (more was found) replaces it."""
    await connection.execute(
        "INSERT INTO erasure_receipts (erasure_id, service, erased_at, rows) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (erasure_id, service) DO UPDATE SET erased_at = excluded.erased_at, rows = excluded.rows",
        erasure_id,
        service,
        erased_at,
        json_text(rows),
    )


async def complete_erasure(
    connection: asyncpg.Connection,
    erasure_id: UUID,
    services: Collection[str],
    *,
    completed_at: datetime,
    streams_expire_at: datetime,
) -> None:
    """Note that an erasure is complete, once there is a receipt of each of the services."""
    await connection.execute("SELECT FROM erasures WHERE erasure_id = $1 FOR UPDATE", erasure_id)
    await connection.execute(
        "UPDATE erasures SET completed_at = $3, streams_expire_at = $4 WHERE erasure_id = $1 AND completed_at IS NULL "
        "AND NOT EXISTS (SELECT FROM unnest($2::text[]) AS s (service) WHERE NOT EXISTS ("
        "SELECT FROM erasure_receipts r WHERE r.erasure_id = $1 AND r.service = s.service))",
        erasure_id,
        list(services),
        completed_at,
        streams_expire_at,
    )


_DISCLOSURE_COLUMNS = "disclosure_id, customer_id, requested_by, why, requested_at, services, missing, completed_at"


async def insert_disclosure(
    connection: asyncpg.Connection,
    disclosure_id: UUID,
    customer_id: UUID,
    *,
    requested_by: str,
    why: str,
    requested_at: datetime,
) -> None:
    """Write down who asked for everything held on a customer."""
    await connection.execute(
        "INSERT INTO disclosures (disclosure_id, customer_id, requested_by, why, requested_at) "
        "VALUES ($1, $2, $3, $4, $5)",
        disclosure_id,
        customer_id,
        requested_by,
        why,
        requested_at,
    )


async def find_disclosure(
    connection: asyncpg.Connection, disclosure_id: UUID, *, lock: bool = False
) -> asyncpg.Record | None:
    """Return a disclosure."""
    locking = "FOR UPDATE" if lock else ""
    return await connection.fetchrow(
        f"SELECT {_DISCLOSURE_COLUMNS} FROM disclosures WHERE disclosure_id = $1 {locking}",  # noqa: S608 - both parts are ours
        disclosure_id,
    )


async def complete_disclosure(
    connection: asyncpg.Connection,
    disclosure_id: UUID,
    *,
    services: Sequence[str],
    missing: Sequence[str],
    completed_at: datetime,
) -> None:
    """Note who gave what they hold, and who did not answer."""
    await connection.execute(
        "UPDATE disclosures SET services = $2, missing = $3, completed_at = $4 WHERE disclosure_id = $1",
        disclosure_id,
        list(services),
        list(missing),
        completed_at,
    )


async def list_disclosures(
    connection: asyncpg.Connection, *, customer_id: UUID | None, after: Sequence[Any] | None, limit: int
) -> list[asyncpg.Record]:
    """Return disclosures (of one customer), the newest first, after (requested_at, disclosure_id)."""
    requested_at, disclosure_id = after or (None, None)
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT {_DISCLOSURE_COLUMNS} FROM disclosures "  # noqa: S608 - the columns are named above
        "WHERE ($1::uuid IS NULL OR customer_id = $1) "
        "AND ($2::timestamptz IS NULL OR (requested_at, disclosure_id) < ($2, $3::uuid)) "
        "ORDER BY requested_at DESC, disclosure_id DESC LIMIT $4",
        customer_id,
        requested_at,
        disclosure_id,
        limit,
    )
    return rows
