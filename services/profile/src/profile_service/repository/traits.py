"""Traits: what sources said, its fold by the traits' policies, and why a value won."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.rules.traits import Observation, Policy, Retracted
from servicekit.database import load_sql, raw

_RECORD = load_sql("profile_service", "record_traits")
_FOLD = load_sql("profile_service", "fold_traits")
_REFOLD = load_sql("profile_service", "refold_traits").format(fold=_FOLD)
_OBSERVATIONS = load_sql("profile_service", "list_observations")
_ONE_OBSERVATION = _OBSERVATIONS.replace("WHERE o.customer_id", "WHERE o.event_id = $7::uuid AND o.customer_id")

Pair = tuple[UUID, str]
"""A customer and the name of a trait."""

Place = tuple[datetime, datetime, UUID]
"""Of an observation in the order of a trait's observations: observed_at, received_at, event_id."""


@dataclass(frozen=True)
class Fold:
    """What a trait is folded to, and by what policy."""

    value: Any  # any JSON value
    event_id: UUID
    policy: Policy


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


async def fold_of(session: AsyncSession, customer_id: UUID, name: str) -> Fold | None:
    """What a trait is by its present policy; None: nobody ever said anything."""
    connection = await raw(session)
    row = await connection.fetchrow(
        f"SELECT f.value, f.event_id, COALESCE(d.policy, 'latest') AS policy FROM ({_FOLD}) AS f "  # noqa: S608  # ours
        "LEFT JOIN trait_definitions d ON d.name = f.name",
        [customer_id],
        [name],
    )
    return None if row is None else Fold(row["value"], row["event_id"], row["policy"])


async def observations_of(
    session: AsyncSession, customer_id: UUID, name: str, *, limit: int, before: Place | None
) -> list[Observation]:
    """What was said of a customer's trait, newest first, before the last one seen."""
    rows = await (await raw(session)).fetch(_OBSERVATIONS, customer_id, name, limit, *(before or (None, None, None)))
    return [_observation(row) for row in rows]


async def observation_with(session: AsyncSession, customer_id: UUID, name: str, event_id: UUID) -> Observation | None:
    """The observation that came by an event, among everything said of a customer's trait."""
    rows = await (await raw(session)).fetch(_ONE_OBSERVATION, customer_id, name, 1, None, None, None, event_id)
    return _observation(rows[0]) if rows else None


def _observation(row: Any) -> Observation:  # an asyncpg record
    retracted = None
    if row["retraction_id"] is not None:
        retracted = Retracted(row["retraction_id"], row["why"], row["asked_by"], row["asked_at"])
    return Observation(
        event_id=row["event_id"],
        observed_at=row["observed_at"],
        received_at=row["received_at"],
        known_received_at=row["known_received_at"],
        value=row["value"],
        source_id=row["source_id"],
        department=row["department"],
        brand=row["brand"],
        legal_entity=row["legal_entity"],
        retracted=retracted,
        is_fitting=row["is_fitting"],
        is_corrected=row["is_corrected"],
        trust=row["trust"],
    )
