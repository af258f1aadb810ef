"""Erasure: a saga over all services, begun here. Disclosure: who asked for what is held on a customer.

Identity deletes the customer from the link graph, buries the identifiers (keyed hashes, so that what occurred before
and arrives later is dropped) and says that the customer is erased, in ONE transaction that keeps resolvers out.
Each service then deletes what it holds and sends its receipt; with the last one the erasure is complete.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import UUID, uuid4

import asyncpg
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.campaign import CampaignCustomerErased
from contracts.delivery import DeliveryCustomerErased
from contracts.fact import Fact
from contracts.identity import CustomerErased
from contracts.profile import ProfileCustomerErased
from contracts.survey import SurveyCustomerErased
from contracts.topology import CONSUMERS, STREAMS
from identity_service.repository import audit
from identity_service.repository import privacy as repository
from identity_service.repository.decisions import lock_customers, resolve_customers
from identity_service.repository.messages import NewRejection
from identity_service.repository.resolution import load_namespaces
from identity_service.rules.identifiers import Namespaces
from identity_service.rules.privacy import digests_of, mentioned_digests
from identity_service.schemas.privacy import DisclosureAnswer, ErasureAnswer, ReceiptAnswer
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.database import Database, raw
from servicekit.erasure import ErasedCustomer, EraseMore, Finish, remember_erased
from servicekit.errors import Conflict, NotFound
from servicekit.export import stream_document
from servicekit.outbox import publish

OURSELVES = "identity"
_ERASED_SUBJECT = f"{CustomerErased.fact_type}.*"

SERVICES: Sequence[str] = (
    OURSELVES,
    *(each.service for each in CONSUMERS if each.stream == OURSELVES and _ERASED_SUBJECT in each.filter_subjects),
)
"""Who must send a receipt: all that are told of an erasure, and identity itself."""

RECEIPTS: Mapping[str, type[Fact]] = {
    "profile": ProfileCustomerErased,
    "campaign": CampaignCustomerErased,
    "delivery": DeliveryCustomerErased,
    "survey": SurveyCustomerErased,
}
"""The other services' receipts."""

STREAMS_KEEP = timedelta(seconds=max(stream.max_age_seconds for stream in STREAMS))
"""How long an event stream holds what is said in it."""

_REJECTIONS_AT_ONCE = 100


async def erase_customer(
    session: AsyncSession,
    customer_id: UUID,
    *,
    requested_by: str,
    why: str,
    secret: bytes,
    clock: Clock,
    new_id: Callable[[], UUID],
    partitions: int,
) -> ErasureAnswer:
    """Erase a customer, by its present id or a former one; asked again, give the same erasure.

    Raises:
        NotFound: there is no such customer, and never was.
    """
    connection = await raw(session)
    await repository.keep_resolvers_out(connection)
    known = await audit.find_erasure_of(connection, customer_id)
    if known is not None:
        return await get_erasure(session, known)
    current = await _lock_customer(connection, customer_id)
    customer_ids = [current, *await repository.find_former_ids(connection, current)]
    held = await repository.find_held_identifiers(connection, current)
    erasure_id, now = new_id(), clock.now()
    buried = digests_of([one[1:4] for one in held if not one.is_others_now], secret=secret)
    await repository.bury(connection, buried, erased_at=now, erasure_id=erasure_id)
    await audit.insert_erasure(
        connection,
        erasure_id,
        customer_ids,
        requested_by=requested_by,
        why=why,
        requested_at=now,
        streams_expire_at=now + STREAMS_KEEP,
    )
    fact = CustomerErased(
        event_id=uuid4(),
        customer_id=current,
        anchor_id=held[0].anchor_id if held else current,
        occurred_at=now,
        erasure_id=erasure_id,
        former_customer_ids=customer_ids[1:],
    )
    await remember_erased(session, [fact])
    deleted = await repository.delete_customer(connection, held, customer_ids)
    await repository.note_deleted(connection, erasure_id, deleted)
    await publish(session, [fact], partitions=partitions)
    return await get_erasure(session, erasure_id)


async def _lock_customer(connection: asyncpg.Connection, customer_id: UUID) -> UUID:
    """Lock the customer that an id leads to, whatever is decided on it meanwhile."""
    while True:
        current = (await resolve_customers(connection, [customer_id])).get(customer_id)
        if current is None:
            raise NotFound(f"There is no customer {customer_id}.", field="customer_id")
        locked = await lock_customers(connection, [current])
        if current in locked and (await resolve_customers(connection, [customer_id])).get(customer_id) == current:
            return current


async def get_erasure(session: AsyncSession, erasure_id: UUID) -> ErasureAnswer:
    """Return an erasure with its receipts.

    Raises:
        NotFound: there is none with this id.
    """
    row = await audit.find_erasure(await raw(session), erasure_id)
    if row is None:
        raise NotFound(f"There is no erasure {erasure_id}.", field="erasure_id")
    return _erasure(row)


async def list_erasures(session: AsyncSession, *, first: int, after: str | None) -> Page[ErasureAnswer]:
    """Return erasures, the newest first, and the cursor of the following page."""
    cursor = decode_cursor(after, datetime, UUID) if after is not None else None
    rows = await audit.list_erasures(await raw(session), after=cursor, limit=first + 1)
    page = cut_page(rows, first, lambda row: (row["requested_at"], row["erasure_id"]))
    return Page([_erasure(row) for row in page.items], page.next)


def _erasure(row: Mapping[str, Any]) -> ErasureAnswer:
    receipts = [ReceiptAnswer(**receipt) for receipt in row["receipts"]]
    present = {receipt.service for receipt in receipts}
    completed_at = row["completed_at"]
    return ErasureAnswer(
        erasure_id=row["erasure_id"],
        customer_id=row["customer_id"],
        state="running" if completed_at is None else "complete",
        requested_by=row["requested_by"],
        why=row["why"],
        requested_at=row["requested_at"],
        completed_at=completed_at,
        streams_expire_at=row["streams_expire_at"],
        receipts=receipts,
        awaiting=[service for service in SERVICES if service not in present],
    )


class ReceiptFact(Protocol):
    """What every service's receipt says."""

    @property
    def erasure_id(self) -> UUID: ...
    @property
    def occurred_at(self) -> datetime: ...
    @property
    def rows(self) -> dict[str, int]: ...


class ReceiptTaker:
    """The handler of one service's receipts."""

    takes_erased = True

    def __init__(self, service: str, *, clock: Clock) -> None:
        self._service = service
        self._clock = clock

    async def __call__(self, session: AsyncSession, facts: list[ReceiptFact]) -> None:
        """Keep the receipts; with the last one an erasure is complete."""
        for fact in facts:
            await _take_receipt(
                session, fact.erasure_id, self._service, erased_at=fact.occurred_at, rows=fact.rows, clock=self._clock
            )


def take_own_receipt(*, clock: Clock) -> Finish:
    """Return what keeps identity's own receipt."""

    async def finish(session: AsyncSession, customer: ErasedCustomer, rows: dict[str, int]) -> None:
        await _take_receipt(session, customer.erasure_id, OURSELVES, erased_at=clock.now(), rows=rows, clock=clock)

    return finish


async def _take_receipt(
    session: AsyncSession, erasure_id: UUID, service: str, *, erased_at: datetime, rows: dict[str, int], clock: Clock
) -> None:
    connection, now = await raw(session), clock.now()
    await audit.insert_receipt(connection, erasure_id, service, erased_at=erased_at, rows=rows)
    # until its last receipt a service may have said something about the customer: the streams keep it that long
    await audit.complete_erasure(
        connection, erasure_id, SERVICES, completed_at=now, streams_expire_at=now + STREAMS_KEEP
    )


def forget_erased_messages(secret: Callable[[], bytes]) -> EraseMore:
    """Return what sees to message ids and rejected events: large tables without an index by customer."""

    async def forget(session: AsyncSession, customer: ErasedCustomer, _: int) -> Mapping[str, int]:
        connection = await raw(session)
        return {
            "message_ids": await repository.forget_whose_messages(connection),
            "rejections": await _delete_rejections(connection, secret=secret()),
        }

    return forget


async def without_erased(
    connection: asyncpg.Connection, rejections: Sequence[NewRejection], *, namespaces: Namespaces, secret: bytes
) -> list[NewRejection]:
    """Return the rejected events that mention no erased identifier: the others are not kept for review."""
    mentioned = [mentioned_digests(each.payload, namespaces=namespaces, secret=secret) for each in rejections]
    buried = await repository.find_tombstones(connection, set().union(*mentioned))
    return [each for each, digests in zip(rejections, mentioned, strict=True) if not digests & buried.keys()]


async def _delete_rejections(connection: asyncpg.Connection, *, secret: bytes) -> int:
    """Delete rejected events that mention an erased identifier; what was erased is known by its tombstone only."""
    namespaces = await load_namespaces(connection)
    deleted, after = 0, None
    while rows := await repository.page_of_rejections(connection, after=after, limit=_REJECTIONS_AT_ONCE):
        after = rows[-1]["rejection_id"]
        mentioned = {
            row["rejection_id"]: mentioned_digests(row["payload"], namespaces=namespaces, secret=secret) for row in rows
        }
        buried = await repository.find_tombstones(connection, set().union(*mentioned.values()))
        gone = [rejection_id for rejection_id, digests in mentioned.items() if digests & buried.keys()]
        deleted += await repository.delete_rejections(connection, gone)
    return deleted


async def export_customer(database: Database, customer_id: UUID) -> AsyncIterator[bytes]:
    """Return everything identity holds on a customer (by a present or former id) as one JSON document, in pieces.

    Raises:
        NotFound: there is no such customer.
    """
    async with database.transaction() as session:
        current, former = await _ids_of(session, customer_id)
    return stream_document(
        database, repository.EXPORTED, service=OURSELVES, customer_id=current, former_customer_ids=former
    )


async def _ids_of(session: AsyncSession, customer_id: UUID) -> tuple[UUID, list[UUID]]:
    connection = await raw(session)
    current = (await resolve_customers(connection, [customer_id])).get(customer_id)
    if current is None:
        raise NotFound(f"There is no customer {customer_id}.", field="customer_id")
    return current, await repository.find_former_ids(connection, current)


async def begin_disclosure(
    session: AsyncSession,
    customer_id: UUID,
    *,
    requested_by: str,
    why: str,
    clock: Clock,
    new_id: Callable[[], UUID],
) -> DisclosureAnswer:
    """Write down who asks for everything held on a customer, and why, before it is given.

    Raises:
        NotFound: there is no such customer.
    """
    current, _ = await _ids_of(session, customer_id)
    disclosure_id = new_id()
    await audit.insert_disclosure(
        await raw(session), disclosure_id, current, requested_by=requested_by, why=why, requested_at=clock.now()
    )
    return await get_disclosure(session, disclosure_id)


async def complete_disclosure(
    session: AsyncSession,
    disclosure_id: UUID,
    *,
    services: Sequence[str],
    missing: Sequence[str],
    clock: Clock,
) -> DisclosureAnswer:
    """Note who gave what they hold and who did not answer. Saying the same again changes nothing.

    Raises:
        NotFound: there is no such disclosure.
        Conflict: it was completed with something else.
    """
    connection = await raw(session)
    row = await audit.find_disclosure(connection, disclosure_id, lock=True)
    if row is None:
        raise NotFound(f"There is no disclosure {disclosure_id}.", field="disclosure_id")
    if row["completed_at"] is None:
        await audit.complete_disclosure(
            connection, disclosure_id, services=services, missing=missing, completed_at=clock.now()
        )
    elif (row["services"], row["missing"]) != (list(services), list(missing)):
        raise Conflict("It is complete already.", field="disclosure_id")
    return await get_disclosure(session, disclosure_id)


async def get_disclosure(session: AsyncSession, disclosure_id: UUID) -> DisclosureAnswer:
    """Return a disclosure.

    Raises:
        NotFound: there is none with this id.
    """
    connection = await raw(session)
    row = await audit.find_disclosure(connection, disclosure_id)
    if row is None:
        raise NotFound(f"There is no disclosure {disclosure_id}.", field="disclosure_id")
    [disclosure] = await _disclosures(connection, [row])
    return disclosure


async def list_disclosures(
    session: AsyncSession, *, customer_id: UUID | None, first: int, after: str | None
) -> Page[DisclosureAnswer]:
    """Return disclosures (of one customer), the newest first, and the cursor of the following page."""
    cursor = decode_cursor(after, datetime, UUID) if after is not None else None
    connection = await raw(session)
    rows = await audit.list_disclosures(connection, customer_id=customer_id, after=cursor, limit=first + 1)
    page = cut_page(rows, first, lambda row: (row["requested_at"], row["disclosure_id"]))
    return Page(await _disclosures(connection, page.items), page.next)


async def _disclosures(connection: asyncpg.Connection, rows: Sequence[Mapping[str, Any]]) -> list[DisclosureAnswer]:
    former = await repository.find_former_ids_of(connection, {row["customer_id"] for row in rows})
    return [DisclosureAnswer(**row, former_customer_ids=former[row["customer_id"]]) for row in rows]
