"""Permissions, suppressions, messages and totals."""

from collections import defaultdict
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Request

from delivery_service.erased_addresses import AddressDigests
from delivery_service.repository import messages
from delivery_service.schemas import (
    ChangedAnswer,
    CustomerMessages,
    CustomerPermissions,
    MessageItem,
    MessagesAnswer,
    MessagesBatchGet,
    PermissionItem,
    PermissionsAnswer,
    RecordedAnswer,
    RecordPermissionsBody,
    SuppressionsBody,
    TotalsAnswer,
    WithdrawBody,
    WithdrawnAnswer,
)
from delivery_service.service import permissions
from servicekit.auth import require
from servicekit.http import BatchGet, ClockDependency, Session, TransactionalRoute, resource

router = APIRouter(prefix="/v1", tags=["customers"], route_class=TransactionalRoute)

READ = Depends(require("delivery:read"))
WRITE = Depends(require("delivery:write"))


@router.post("/permissions:record", dependencies=[WRITE])
async def record_permissions(
    request: Request, body: RecordPermissionsBody, session: Session, clock: ClockDependency
) -> RecordedAnswer:
    """Record what customers said, by address or anchor, before or after the contact point is known."""
    digests: AddressDigests = resource(request, "address_digests")
    recorded, unchanged = await permissions.record_permissions(
        session, body.permissions, digests=digests, now=clock.now()
    )
    return RecordedAnswer(recorded=recorded, unchanged=unchanged)


@router.post("/permissions:withdraw", dependencies=[WRITE])
async def withdraw_permission(body: WithdrawBody, session: Session, clock: ClockDependency) -> WithdrawnAnswer:
    """Withdraw a topic's permission of all of a customer's contact points."""
    withdrawn = await permissions.withdraw_of_customer(
        session, body.customer_id, channel=body.channel, topic=body.topic, basis=body.basis, now=clock.now()
    )
    return WithdrawnAnswer(withdrawn=withdrawn)


@router.post("/permissions:batchGet", dependencies=[READ])
async def get_permissions(body: BatchGet, session: Session) -> PermissionsAnswer:
    """Read what customers permit now, per contact point and topic."""
    found = await permissions.permissions_of_customers(session, body.customer_ids)
    return PermissionsAnswer(
        customers=[
            CustomerPermissions(
                customer_id=customer_id,
                permissions=[PermissionItem.model_validate(each) for each in found.get(customer_id, [])],
            )
            for customer_id in body.customer_ids
        ]
    )


@router.post("/suppressions:record", dependencies=[WRITE])
async def record_suppressions(body: SuppressionsBody, session: Session, clock: ClockDependency) -> ChangedAnswer:
    """Stop sending to addresses (complaints, requests), whatever is permitted."""
    return ChangedAnswer(changed=await permissions.suppress(session, body.suppressions, now=clock.now()))


@router.post("/suppressions:remove", dependencies=[WRITE])
async def remove_suppressions(body: SuppressionsBody, session: Session) -> ChangedAnswer:
    """Let addresses be used again, say after a mailbox was repaired."""
    return ChangedAnswer(changed=await permissions.release(session, body.suppressions))


@router.post("/messages:batchGet", dependencies=[READ])
async def get_messages(body: MessagesBatchGet, session: Session) -> MessagesAnswer:
    """Read customers' newest messages and what became of them."""
    by_customer: dict[UUID, list[MessageItem]] = defaultdict(list)
    for row in await messages.newest_messages(session, body.customer_ids, first=body.first):
        by_customer[row["customer_id"]].append(_message(row))
    return MessagesAnswer(
        customers=[
            CustomerMessages(customer_id=customer_id, messages=by_customer.get(customer_id, []))
            for customer_id in body.customer_ids
        ]
    )


def _message(row: asyncpg.Record) -> MessageItem:
    subject = row["subject"]
    personal = subject is None or "{{" in subject or "{%" in subject
    return MessageItem.model_validate(dict(row) | {"subject": None if personal else subject})


@router.get("/totals", dependencies=[READ])
async def get_totals(session: Session) -> TotalsAnswer:
    """Count messages by state, opens, clicks, contact points, permissions, suppressions."""
    return TotalsAnswer.model_validate(await messages.totals(session))
