"""Writing timelines: COPY into a temporary table, then one statement for all events of a batch."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from pydantic_core import to_json
from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.rules import TimelineEvent, storable_text, without_nul
from servicekit.database import load_sql, raw

_COLUMNS = (
    "customer_id",
    "occurred_at",
    "event_id",
    "anchor_id",
    "kind",
    "name",
    "source_id",
    "received_at",
    "properties",
    "traits",
)
_CREATE_INCOMING = load_sql("profile_service", "create_incoming")
_RECORD_EVENTS = load_sql("profile_service", "record_events")
_LOCK_CUSTOMERS = load_sql("profile_service", "lock_customers")
_RECOUNT_CUSTOMERS = load_sql("profile_service", "recount_customers")


async def copy_incoming(session: AsyncSession, events: Sequence[TimelineEvent]) -> None:
    """Fill the temporary table `incoming` with exactly these events."""
    connection = await raw(session)
    await connection.execute(_CREATE_INCOMING)
    if session.info.get("incoming_used"):
        await connection.execute("DELETE FROM incoming")  # an earlier batch of this transaction
    session.info["incoming_used"] = True
    await connection.copy_records_to_table(
        "incoming", records=[_record(event) for event in events], columns=_COLUMNS, schema_name="pg_temp"
    )


def _record(event: TimelineEvent) -> tuple[object, ...]:
    return (
        event.customer_id,
        event.occurred_at,
        event.event_id,
        event.anchor_id,
        event.kind,
        storable_text(event.name),
        storable_text(event.source_id),
        event.received_at or event.occurred_at,
        _jsonb(event.properties),
        _jsonb(event.traits) if event.traits else None,
    )


def _jsonb(value: object) -> str:
    """JSON text PostgreSQL takes as jsonb: infinities become null, NUL characters vanish."""
    encoded = to_json(value, inf_nan_mode="null")
    if b"\\u0000" in encoded:
        encoded = to_json(without_nul(value), inf_nan_mode="null")
    return encoded.decode()


async def record_events(
    session: AsyncSession, *, revenue_property: str, base_currency: str, purchase_event: str, time_zone: str
) -> dict[UUID, bool]:
    """Put the incoming events on the timelines, add them up per customer and by who gave them, lock those customers.

    Returns the customers that got an event not recorded before, and whether each is new.
    """
    rows = await (await raw(session)).fetch(_RECORD_EVENTS, revenue_property, base_currency, purchase_event, time_zone)
    return {row["customer_id"]: row["is_new"] for row in rows}


async def lock_customers(session: AsyncSession, customer_ids: Sequence[UUID], *, now: datetime) -> None:
    """Lock these customers in order, making rows for those that have none."""
    await (await raw(session)).execute(_LOCK_CUSTOMERS, list(customer_ids), now)


async def recount_customers(
    session: AsyncSession, customer_ids: Sequence[UUID], *, purchase_event: str
) -> dict[UUID, int]:
    """Count locked customers' timelines anew; returns each one's number of events."""
    rows = await (await raw(session)).fetch(_RECOUNT_CUSTOMERS, list(customer_ids), purchase_event)
    return {row["customer_id"]: row["event_count"] for row in rows}


async def forget_customers(session: AsyncSession, customer_ids: Sequence[UUID]) -> None:
    """Remove what was concluded about customers whose every fact moved away."""
    connection = await raw(session)
    concluded = ("segment_memberships", "customer_ranks", "customer_lifecycle", "customer_signs", "relations", "traits")
    for table in (*concluded, "customers"):
        await connection.execute(
            f"DELETE FROM {table} WHERE customer_id = ANY($1::uuid[])",  # noqa: S608  # one of those above
            list(customer_ids),
        )
