"""Traits: what sources said, folded by the traits' policies."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import load_sql, raw

_RECORD = load_sql("profile_service", "record_traits")
_FOLD = load_sql("profile_service", "fold_traits")
_REFOLD = load_sql("profile_service", "refold_traits").format(fold=_FOLD)

Pair = tuple[UUID, str]
"""A customer and the name of a trait."""


async def record_traits(session: AsyncSession, *, time_zone: str) -> None:
    """Keep the incoming traits as observations and fold them into the customers' traits."""
    rows = await (await raw(session)).fetch(_RECORD, time_zone)
    await fold_traits(session, [(row["customer_id"], row["name"]) for row in rows])


async def fold_traits(session: AsyncSession, pairs: Sequence[Pair]) -> set[UUID]:
    """Fold these traits of locked customers anew; returns the customers with one that changed."""
    if not pairs:
        return set()
    rows = await (await raw(session)).fetch(
        _REFOLD, [customer_id for customer_id, _ in pairs], [name for _, name in pairs]
    )
    return {row["customer_id"] for row in rows}


async def refold_customers(session: AsyncSession, customer_ids: Sequence[UUID]) -> None:
    """Fold everything that was said of locked customers anew, after observations came or went."""
    connection = await raw(session)
    await connection.execute("DELETE FROM traits WHERE customer_id = ANY($1::uuid[])", list(customer_ids))
    rows = await connection.fetch(
        "SELECT DISTINCT customer_id, name FROM trait_observations WHERE customer_id = ANY($1::uuid[])",
        list(customer_ids),
    )
    await fold_traits(session, [(row["customer_id"], row["name"]) for row in rows])


async def touch_customers(session: AsyncSession, customer_ids: Sequence[UUID]) -> None:
    """Write these locked customers' rows: a sign for whoever concluded without locking them."""
    await (await raw(session)).execute(
        "UPDATE customers SET event_count = event_count WHERE customer_id = ANY($1::uuid[])", list(customer_ids)
    )


async def lock_customers(session: AsyncSession, customer_ids: Sequence[UUID]) -> list[UUID]:
    """Lock those of the customers that there are, in order."""
    rows = await (await raw(session)).fetch(
        "SELECT customer_id FROM customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id FOR UPDATE",
        list(customer_ids),
    )
    return [row["customer_id"] for row in rows]


async def customers_with(session: AsyncSession, name: str, *, after: UUID, limit: int) -> list[UUID]:
    """The next customers in order of whom something was said about a trait."""
    rows = await (await raw(session)).fetch(
        "SELECT customer_id FROM traits WHERE name = $1 AND customer_id > $2 ORDER BY customer_id LIMIT $3",
        name, after, limit,
    )  # fmt: skip
    return [row["customer_id"] for row in rows]
