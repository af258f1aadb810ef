"""Related persons' dates: what was said is kept by event, what holds is the latest of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.relations import Day, RelationDate
from profile_service.rules.relations import Statement, ends_at
from servicekit.database import load_sql, raw

_RECORD = load_sql("profile_service", "record_relations")
_FORGET_WITHDRAWN = load_sql("profile_service", "forget_withdrawn_relations")
_REFOLD = load_sql("profile_service", "refold_relations")
_END = load_sql("profile_service", "end_relations")

_COLUMNS = "customer_id, relation_id, source_id, given_at, purpose, relation, occasion, month, day, year, ends_at"


@dataclass(frozen=True)
class RelationView:
    """A date that holds."""

    customer_id: UUID
    relation_id: UUID
    source_id: str
    given_at: datetime
    purpose: str
    relation: str
    occasion: str
    day: Day
    ends_at: datetime | None


async def record_statements(session: AsyncSession, statements: Sequence[Statement], *, zone: ZoneInfo) -> None:
    """Keep statements about locked customers, once for each event, and fold anew what holds."""
    rows = [_row(statement, zone) for statement in statements]
    await (await raw(session)).execute(_RECORD, *(list(column) for column in zip(*rows, strict=True)))
    await refold_relations(session, sorted({statement.customer_id for statement in statements}))


def _row(statement: Statement, zone: ZoneInfo) -> tuple[object, ...]:
    given = statement.given
    return (
        statement.customer_id,
        statement.relation_id,
        statement.event_id,
        statement.anchor_id,
        statement.source_id,
        statement.given_at,
        given is None,
        *((None,) * 7 if given is None else _content(given, zone)),
    )


def _content(given: RelationDate, zone: ZoneInfo) -> tuple[object, ...]:
    return (
        given.purpose,
        given.relation,
        given.occasion,
        given.day.month,
        given.day.day,
        given.day.year,
        ends_at(given.until, zone),
    )


async def refold_relations(session: AsyncSession, customer_ids: Sequence[UUID]) -> None:
    """Forget what locked customers took back, and fold what holds anew."""
    connection = await raw(session)
    await connection.execute(_FORGET_WITHDRAWN, list(customer_ids))
    await connection.execute("DELETE FROM relations WHERE customer_id = ANY($1::uuid[])", list(customer_ids))
    await connection.execute(_REFOLD, list(customer_ids))


async def end_relations(session: AsyncSession, *, now: datetime) -> None:
    """Delete what has ended."""
    await (await raw(session)).execute(_END, now)


async def relations_of(
    session: AsyncSession, customer_ids: Sequence[UUID], *, purpose: str, now: datetime
) -> dict[UUID, list[RelationView]]:
    """What customers gave for this purpose, by customer, in order of the day."""
    rows = await (await raw(session)).fetch(
        f"SELECT {_COLUMNS} FROM relations "  # noqa: S608  # the columns above
        "WHERE customer_id = ANY($1::uuid[]) AND purpose = $2 AND (ends_at IS NULL OR ends_at > $3) "
        "ORDER BY customer_id, month, day, relation_id",
        list(customer_ids),
        purpose,
        now,
    )
    found: dict[UUID, list[RelationView]] = {}
    for row in rows:
        found.setdefault(row["customer_id"], []).append(_view(dict(row)))
    return found


async def get_relation(
    session: AsyncSession, customer_id: UUID, relation_id: UUID, *, now: datetime
) -> RelationView | None:
    """One date, whatever its purpose: it is for the caller to refuse another."""
    row = await (await raw(session)).fetchrow(
        f"SELECT {_COLUMNS} FROM relations "  # noqa: S608  # the columns above
        "WHERE customer_id = $1 AND relation_id = $2 AND (ends_at IS NULL OR ends_at > $3)",
        customer_id,
        relation_id,
        now,
    )
    return None if row is None else _view(dict(row))


def _view(row: dict[str, object]) -> RelationView:
    year, month, day = row.pop("year"), row.pop("month"), row.pop("day")
    return RelationView(**row, day=Day(month, day, year))  # type: ignore[arg-type]  # as the table's columns are


async def lock_customer(session: AsyncSession, customer_id: UUID) -> UUID | None:
    """Lock a customer; returns the anchor of the latest event, None for one that profile does not know."""
    anchor_id: UUID | None = await (await raw(session)).fetchval(
        "SELECT latest_anchor_id FROM customers WHERE customer_id = $1 FOR UPDATE", customer_id
    )
    return anchor_id
