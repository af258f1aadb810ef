"""Reading: one statement per noun for all requested customers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledPredicate
from profile_service.repository.backfills import FIRST_ID
from profile_service.repository.previews import count_customers
from servicekit.database import load_sql, raw

_LIST_TIMELINES = load_sql("profile_service", "list_timelines")
_LIST_VISIBLE_TIMELINES = load_sql("profile_service", "list_visible_timelines")
_ALL_VISIBLE = "true /* visible */"
VISIBLE_IN_TIMELINES = 5
"""From which parameter on a predicate of what is visible has its own."""
_SUM_TOTALS = load_sql("profile_service", "sum_totals")


@dataclass(frozen=True)
class TraitView:
    """A folded trait and where it comes from; the department is the one its source belonged to then."""

    name: str
    value: Any  # any JSON value
    source_id: str
    department: str | None
    brand: str | None
    legal_entity: str | None
    observed_at: datetime


@dataclass(frozen=True)
class PurchasesView:
    """A customer's purchases in sum."""

    frequency: int
    monetary: Decimal
    last_purchase_at: datetime


@dataclass(frozen=True)
class RankView:
    """A customer's rank."""

    key: str
    name: str
    since: datetime


@dataclass(frozen=True)
class SegmentView:
    """A segment a customer is in."""

    segment_id: UUID
    key: str
    name: str
    since: datetime


@dataclass(frozen=True)
class EventView:
    """One event of a timeline."""

    event_id: UUID
    name: str
    kind: str
    source_id: str
    department: str | None
    brand: str | None
    legal_entity: str | None
    occurred_at: datetime
    properties: dict[str, Any]


@dataclass(frozen=True)
class TimelineView:
    """A part of a customer's timeline, newest first, and how many (visible) events the whole of it holds."""

    events: list[EventView]
    event_count: int


@dataclass(frozen=True)
class Totals:
    """Sums over everybody; `purchases` and `revenue` without the simulated ones."""

    customers: int
    events: int
    purchases: int
    revenue: Decimal
    purchases_simulated: int
    revenue_simulated: Decimal


@dataclass(frozen=True)
class ConversionWindow:
    """From (included) until (excluded), for one customer; `key` is the asker's."""

    key: str
    customer_id: UUID
    starts_at: datetime
    ends_at: datetime


async def traits_of(
    session: AsyncSession, customer_ids: Sequence[UUID], *, names: Sequence[str] | None = None
) -> dict[UUID, list[TraitView]]:
    """Folded traits by customer, in order of name; a trait that is null is not there."""
    rows = await (await raw(session)).fetch(
        "SELECT t.customer_id, t.name, t.value, t.source_id, s.department, s.brand, s.legal_entity, t.observed_at "
        "FROM traits t LEFT JOIN sources s "
        "ON s.source_id = t.source_id AND s.valid_from <= t.observed_at AND t.observed_at < s.valid_until "
        "WHERE t.customer_id = ANY($1::uuid[]) AND ($2::text[] IS NULL OR t.name = ANY($2)) AND t.value <> 'null' "
        "ORDER BY t.customer_id, t.name",
        list(customer_ids),
        None if names is None else list(names),
    )
    traits: dict[UUID, list[TraitView]] = {}
    for row in rows:
        customer_id, *rest = row
        traits.setdefault(customer_id, []).append(TraitView(*rest))
    return traits


async def purchases_of(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, PurchasesView]:
    """Purchases in sum, for those who bought."""
    rows = await (await raw(session)).fetch(
        "SELECT customer_id, purchase_count, purchase_total, last_purchase_at FROM customers "
        "WHERE customer_id = ANY($1::uuid[]) AND purchase_count > 0",
        list(customer_ids),
    )
    return {
        row["customer_id"]: PurchasesView(row["purchase_count"], row["purchase_total"], row["last_purchase_at"])
        for row in rows
    }


async def ranks_of(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, RankView]:
    """Ranks, for those who have one."""
    rows = await (await raw(session)).fetch(
        "SELECT c.customer_id, r.key, r.name, c.since FROM customer_ranks c JOIN ranks r ON r.key = c.rank_key "
        "WHERE c.customer_id = ANY($1::uuid[])",
        list(customer_ids),
    )
    return {row["customer_id"]: RankView(row["key"], row["name"], row["since"]) for row in rows}


async def segments_of(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, list[SegmentView]]:
    """The segments each customer is in, by key."""
    rows = await (await raw(session)).fetch(
        "SELECT m.customer_id, s.segment_id, s.key, s.name, m.since "
        "FROM segment_memberships m JOIN segments s USING (segment_id) "
        "WHERE m.customer_id = ANY($1::uuid[]) AND m.is_member ORDER BY m.customer_id, s.key",
        list(customer_ids),
    )
    segments: dict[UUID, list[SegmentView]] = {}
    for row in rows:
        view = SegmentView(row["segment_id"], row["key"], row["name"], row["since"])
        segments.setdefault(row["customer_id"], []).append(view)
    return segments


async def timelines_of(
    session: AsyncSession,
    customer_ids: Sequence[UUID],
    *,
    limit: int,
    before: tuple[datetime, UUID] | None,
    visible: CompiledPredicate | None = None,
) -> list[TimelineView]:
    """The newest `limit` visible events of each requested customer, in order, before the last one seen.

    `visible` (None: all are) has its parameters from VISIBLE_IN_TIMELINES on.
    """
    occurred_at, event_id = before or (None, None)
    connection, asked = await raw(session), (list(customer_ids), limit, occurred_at, event_id)
    if visible is None:
        rows = await connection.fetch(_LIST_TIMELINES, *asked)
        counts = await _event_counts_of(connection, customer_ids)
        timelines = [TimelineView([], counts.get(customer_id, 0)) for customer_id in customer_ids]
    else:
        statement = _LIST_VISIBLE_TIMELINES.replace(_ALL_VISIBLE, visible.sql)
        rows = await connection.fetch(statement, *asked, *visible.parameters)
        counted = {row["position"]: row["event_count"] for row in rows}
        timelines = [TimelineView([], counted[position]) for position in range(1, len(customer_ids) + 1)]
    for row in rows:
        if row["event_id"] is not None:  # a customer of whom nothing is visible has a row of its own
            timelines[row["position"] - 1].events.append(_event_view(row))
    return timelines


def _event_view(row: Any) -> EventView:  # an asyncpg record
    return EventView(
        event_id=row["event_id"],
        name=row["name"],
        kind=row["kind"],
        source_id=row["source_id"],
        department=row["department"],
        brand=row["brand"],
        legal_entity=row["legal_entity"],
        occurred_at=row["occurred_at"],
        properties=row["properties"],
    )


async def _event_counts_of(connection: asyncpg.Connection, customer_ids: Sequence[UUID]) -> dict[UUID, int]:
    rows = await connection.fetch(
        "SELECT customer_id, event_count FROM customers WHERE customer_id = ANY($1::uuid[])", list(customer_ids)
    )
    return {row["customer_id"]: row["event_count"] for row in rows}


async def list_customers(
    session: AsyncSession, *, after: UUID | None, limit: int
) -> tuple[list[tuple[UUID, UUID, datetime]], int]:
    """Customers in order of their id with their latest anchor and first event's time, and the number of all."""
    connection = await raw(session)
    rows = await connection.fetch(
        "SELECT customer_id, latest_anchor_id, first_event_at FROM customers WHERE customer_id > $1 "
        "ORDER BY customer_id LIMIT $2",
        after or FIRST_ID,
        limit,
    )
    total, _ = await count_customers(session)
    return [tuple(row) for row in rows], total


async def list_members(
    session: AsyncSession, segment_id: UUID, *, after: UUID | None, limit: int
) -> list[tuple[UUID, UUID, datetime]]:
    """A segment's members in order of their id, with their latest anchor and since when."""
    rows = await (await raw(session)).fetch(
        "SELECT m.customer_id, c.latest_anchor_id, m.since "
        "FROM (SELECT customer_id, since FROM segment_memberships "
        "      WHERE segment_id = $1 AND is_member AND customer_id > $2 ORDER BY customer_id LIMIT $3) AS m "
        "JOIN customers c USING (customer_id) ORDER BY m.customer_id",
        segment_id, after or FIRST_ID, limit,
    )  # fmt: skip
    return [tuple(row) for row in rows]


async def conversions(
    session: AsyncSession,
    windows: Sequence[ConversionWindow],
    *,
    event: str,
    where: CompiledPredicate,
    summand: CompiledPredicate | None,
) -> list[tuple[int, Decimal]]:
    """Count of an event and sum of a property in each window, in order. The predicates' parameters start at $5."""
    sum_sql = "0" if summand is None else f"sum({summand.sql})"
    rows = await (await raw(session)).fetch(
        "SELECT w.position, c.count, COALESCE(c.sum, 0) AS sum "  # noqa: S608  # compiled, with parameters
        "FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) WITH ORDINALITY "
        "AS w (customer_id, starts_at, ends_at, position) "
        f"CROSS JOIN LATERAL (SELECT count(*) AS count, {sum_sql} AS sum FROM events e "
        f"WHERE e.customer_id = w.customer_id AND e.name = $4::text "
        f"AND e.occurred_at >= w.starts_at AND e.occurred_at < w.ends_at AND {where.sql}) AS c "
        "ORDER BY w.position",
        [window.customer_id for window in windows],
        [window.starts_at for window in windows],
        [window.ends_at for window in windows],
        event,
        *where.parameters,
        *(() if summand is None else summand.parameters),
    )
    return [(row["count"], Decimal(row["sum"])) for row in rows]


async def totals(session: AsyncSession) -> Totals:
    """Sums over everybody."""
    return Totals(**dict(await (await raw(session)).fetchrow(_SUM_TOTALS)))
