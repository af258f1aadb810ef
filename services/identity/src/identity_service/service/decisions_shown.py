"""What was decided, as it is shown: one decision, a listing, those on many customers at once."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.repository import decisions as repository
from identity_service.schemas.decisions import DecisionAnswer
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.database import raw
from servicekit.errors import NotFound

_ANCHORS_SHOWN = 1000


async def get_decision(session: AsyncSession, decision_id: UUID) -> DecisionAnswer:
    """Return a decision.

    Raises:
        NotFound: there is no such decision.
    """
    connection = await raw(session)
    rows = await repository.find_decisions(connection, [decision_id])
    if not rows:
        raise NotFound(f"There is no decision {decision_id}.", field="decision_id")
    return (await _show(connection, rows))[decision_id]


async def list_decisions(
    session: AsyncSession, *, customer_id: UUID | None, kind: str | None, first: int, after: str | None
) -> Page[DecisionAnswer]:
    """Return a page of decisions, the newest first: all, or those that concern a customer (a former id is followed).

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    if customer_id is not None:
        [(_, page)] = await list_decisions_of(session, [customer_id], kind=kind, first=first, after=after)
        return page
    connection = await raw(session)
    last = decode_cursor(after, datetime, UUID) if after else None
    found = cut_page(await repository.list_decisions(connection, kind=kind, after=last, limit=first + 1), first, _place)
    shown = await _show(connection, found.items)
    return Page(list(shown.values()), found.next)


async def list_decisions_of(
    session: AsyncSession, customer_ids: Sequence[UUID], *, kind: str | None = None, first: int, after: str | None
) -> list[tuple[UUID, Page[DecisionAnswer]]]:
    """Return a page of decisions of each customer asked for, in order; former ids are followed.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    connection = await raw(session)
    last = decode_cursor(after, datetime, UUID) if after else None
    now = await repository.resolve_customers(connection, customer_ids)
    present = {customer_id: now.get(customer_id, customer_id) for customer_id in customer_ids}
    found = await repository.list_decisions_of(
        connection, set(present.values()), kind=kind, after=last, limit=first + 1
    )
    pages = {customer_id: cut_page(rows, first, _place) for customer_id, rows in found.items()}
    shown = await _show(connection, [row for page in pages.values() for row in page.items])
    nothing: Page[asyncpg.Record] = Page([], None)
    answers = []
    for customer_id in customer_ids:
        page = pages.get(present[customer_id], nothing)
        answers.append((customer_id, Page([shown[row["decision_id"]] for row in page.items], page.next)))
    return answers


def _place(decision: asyncpg.Record) -> tuple[datetime, UUID]:
    return decision["decided_at"], decision["decision_id"]


async def _show(connection: asyncpg.Connection, rows: Sequence[asyncpg.Record]) -> dict[UUID, DecisionAnswer]:
    """Return decisions by id, each once, in order."""
    by_id = {row["decision_id"]: row for row in rows}
    moved = await repository.find_moved(connection, list(by_id), most=_ANCHORS_SHOWN)
    return {decision_id: _shown(row, moved.get(decision_id)) for decision_id, row in by_id.items()}


def _shown(row: asyncpg.Record, moved: asyncpg.Record | None) -> DecisionAnswer:
    customers = {*moved["former"], *moved["present"]} if moved else set()
    return DecisionAnswer(
        **row,
        other_customer_ids=sorted(customers - {row["customer_id"]}),
        anchor_ids=list(moved["anchor_ids"]) if moved else [],
        anchors=moved["anchors"] if moved else 0,
    )
