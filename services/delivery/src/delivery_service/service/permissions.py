"""May we: contact points, permissions, suppressions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import IdentifierLinked, IdentifierSourced
from delivery_service import events
from delivery_service.erased_addresses import AddressDigests
from delivery_service.repository import permissions as repository
from delivery_service.repository.permissions import ContactPointRow, GrantRow, OwnedPermission, StatementRow
from delivery_service.rules import Statement, normalise_address, prevails
from delivery_service.schemas import PermissionBody, SuppressionBody
from delivery_service.service.privacy import not_erased, suppress_again
from servicekit.errors import Invalid
from servicekit.outbox import publish

CHANNEL_OF_NAMESPACE = {"email": "email", "phone": "phone"}
_CLOCK_SKEW = timedelta(minutes=5)


async def link_contact_points(
    session: AsyncSession, facts: Sequence[IdentifierLinked], *, digests: AddressDigests
) -> None:
    """Project the linked identifiers that a channel reaches.

    A permission recorded before its contact point was known is announced now, with this anchor.
    """
    rows = [row for row in map(_contact_point, facts) if row is not None]
    if not rows:
        return
    await repository.hold_addresses(session)
    new = await repository.insert_contact_points(session, rows)
    await suppress_again(session, [(row.channel, row.address) for row in rows], digests)
    await _announce(session, await repository.owned_permissions_of_anchors(session, new))


def _contact_point(fact: IdentifierLinked) -> ContactPointRow | None:
    channel = CHANNEL_OF_NAMESPACE.get(fact.namespace)
    if channel is None:
        return None
    try:
        address = normalise_address(channel, fact.value)
    except ValueError:  # identity links what a source says; not every value can be reached
        return None
    return ContactPointRow(
        fact.anchor_id,
        fact.customer_id,
        channel,
        address,
        fact.source_id,
        fact.occurred_at,
        fact.legal_entity,
        fact.purposes,
    )


async def grant_contact_points(session: AsyncSession, facts: Sequence[IdentifierSourced]) -> None:
    """Keep for whom else identifiers that a channel reaches were brought; their contact points may come later."""
    rows = [
        GrantRow(fact.anchor_id, fact.legal_entity, fact.purposes, fact.customer_id, fact.source_id, fact.occurred_at)
        for fact in facts
        if fact.namespace in CHANNEL_OF_NAMESPACE
    ]
    if rows:
        await repository.insert_grants(session, rows)


async def record_permissions(
    session: AsyncSession, statements: Sequence[PermissionBody], *, digests: AddressDigests, now: datetime
) -> tuple[int, int]:
    """Record statements, by address or anchor; return (new ones, those known before).

    What was said before its address was erased stays erased, and counts as known.

    Raises:
        Invalid: an address that is none, an unknown anchor, a time in the future; nothing is recorded.
    """
    await repository.hold_addresses(session)
    known = await repository.addresses_of_anchors(session, {each.anchor_id for each in statements if each.anchor_id})
    rows = [_statement(each, index, known, now=now) for index, each in enumerate(statements)]
    new = await _record(session, await not_erased(session, rows, digests), now=now)
    return new, len(rows) - new


def _statement(body: PermissionBody, index: int, known: dict[UUID, tuple[str, str]], *, now: datetime) -> StatementRow:
    field = f"permissions.{index}"
    recorded_at = body.recorded_at or now
    if recorded_at > now + _CLOCK_SKEW:
        raise Invalid("A permission cannot be recorded in the future.", field=f"{field}.recorded_at")
    if body.anchor_id is not None:
        if body.anchor_id not in known:
            raise Invalid("There is no contact point with this anchor. Pass its value.", field=f"{field}.anchor_id")
        channel, address = known[body.anchor_id]
        if channel != body.channel:
            raise Invalid(f"This anchor is not a contact point of {body.channel}.", field=f"{field}.anchor_id")
    else:
        address = checked_address(body.channel, body.value or "", field=f"{field}.value")
    return StatementRow(
        uuid4(), body.channel, address, body.topic, body.status, body.basis, body.legal_entity, recorded_at
    )


def checked_address(channel: str, value: str, *, field: str) -> str:
    """Return a normalised address.

    Raises:
        Invalid: it is none; the message does not repeat it.
    """
    try:
        return normalise_address(channel, value)
    except ValueError as error:
        raise Invalid(str(error), field=field) from None


async def withdraw_of_customer(
    session: AsyncSession, customer_id: UUID, *, channel: str, topic: str, basis: str, now: datetime
) -> int:
    """Withdraw a topic of all of a customer's contact points; return how many those are."""
    await repository.hold_addresses(session)
    addresses = await repository.addresses_of_customer(session, customer_id, channel)
    await withdraw(session, addresses, channel=channel, topic=topic, basis=basis, now=now)
    return len(addresses)


async def withdraw(
    session: AsyncSession, addresses: Sequence[str], *, channel: str, topic: str, basis: str, now: datetime
) -> None:
    """Withdraw a topic of these addresses; those withdrawn already stay as they are."""
    places = [(channel, address, topic) for address in addresses]
    current = await repository.current_statements(session, places)
    await _record(
        session,
        [
            # a grant noted by a clock ahead of ours must not survive what the customer says now
            StatementRow(
                uuid4(), *place, "withdrawn", basis, "", max(now, current[place][1] if place in current else now)
            )
            for place in places
            if place not in current or current[place][0] != "withdrawn"
        ],
        now=now,
    )


async def _record(session: AsyncSession, rows: Sequence[StatementRow], *, now: datetime) -> int:
    """Append to the history, change what holds now, say what changed; return how many statements were new."""
    new = await repository.insert_statements(session, rows, received_at=now) if rows else []
    if not new:
        return 0
    latest = latest_by_place(new)
    before = await repository.current_statements(session, list(latest))
    winners = {
        place: row
        for place, row in latest.items()
        if prevails(_said(row), Statement(*before[place]) if place in before else None)
    }
    await repository.put_current(session, list(winners.values()))
    changed = [place for place, row in winners.items() if place not in before or before[place][0] != row.status]
    if changed:
        await _announce(session, await repository.owned_permissions_at(session, changed))
    return len(new)


def latest_by_place(rows: Sequence[StatementRow]) -> dict[tuple[str, str, str], StatementRow]:
    """Return the statement that prevails for each (channel, address, topic)."""
    by_place: dict[tuple[str, str, str], StatementRow] = {}
    for row in rows:
        present = by_place.get(row.place)
        if prevails(_said(row), _said(present) if present else None):
            by_place[row.place] = row
    return by_place


def _said(row: StatementRow) -> Statement:
    return Statement(row.status, row.recorded_at)


async def _announce(session: AsyncSession, permissions: Sequence[OwnedPermission]) -> None:
    """Publish what holds; channels the contract does not know yet wait until it does."""
    await publish(session, [events.permission_changed(each) for each in permissions if each.channel == "email"])


async def permissions_of_customers(
    session: AsyncSession, customer_ids: Sequence[UUID]
) -> dict[UUID, list[OwnedPermission]]:
    """Return the current permissions by customer."""
    by_customer: dict[UUID, list[OwnedPermission]] = defaultdict(list)
    for permission in await repository.owned_permissions_of_customers(session, customer_ids):
        by_customer[permission.customer_id].append(permission)
    return by_customer


async def suppress(session: AsyncSession, bodies: Sequence[SuppressionBody], *, now: datetime) -> int:
    """Suppress addresses; return how many were not suppressed before."""
    changed = 0
    for reason in ("complaint", "manual"):
        rows = [
            (body.channel, checked_address(body.channel, body.value, field=f"suppressions.{index}.value"), None)
            for index, body in enumerate(bodies)
            if body.reason == reason
        ]
        if rows:
            changed += await repository.insert_suppressions(session, rows, reason=reason, moment=now)
    return changed


async def release(session: AsyncSession, bodies: Sequence[SuppressionBody]) -> int:
    """Let addresses be used again; return how many were suppressed."""
    places = [
        (body.channel, checked_address(body.channel, body.value, field=f"suppressions.{index}.value"))
        for index, body in enumerate(bodies)
    ]
    return await repository.delete_suppressions(session, places)
