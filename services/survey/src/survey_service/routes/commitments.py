"""What we promised."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from servicekit.auth import Principal, require
from servicekit.cursors import decode_cursor, encode_cursor
from servicekit.http import BatchGet, ClockDependency, IfMatch, Session, TransactionalRoute, etag
from survey_service.rules.commitments import Status
from survey_service.schemas import (
    ChangeStatus,
    CommitmentChangeView,
    CommitmentPage,
    CommitmentsOfCustomer,
    CommitmentsOfCustomers,
    CommitmentView,
    CommitmentWithHistory,
    PageSize,
)
from survey_service.service import commitments as service

router = APIRouter(prefix="/v1", tags=["commitments"], route_class=TransactionalRoute)
reads = Depends(require("survey:read"))


@router.post("/commitments:batchGet", dependencies=[reads])
async def batch_get_commitments(body: BatchGet, session: Session) -> CommitmentsOfCustomers:
    """Return the promises made to these customers, the latest made first."""
    found = await service.commitments_of_customers(session, body.customer_ids)
    return CommitmentsOfCustomers(
        customers=[
            CommitmentsOfCustomer(
                customer_id=customer_id, commitments=[CommitmentView.model_validate(row) for row in found[customer_id]]
            )
            for customer_id in body.customer_ids
        ]
    )


@router.get("/commitments", dependencies=[reads])
async def list_commitments(
    session: Session,
    status: Status | None = None,
    first: Annotated[PageSize, Query()] = 50,
    after: Annotated[str | None, Query(max_length=500)] = None,
) -> CommitmentPage:
    """List promises, the latest made first."""
    cursor = None if after is None else decode_cursor(after, datetime, UUID)
    rows, has_more = await service.list_commitments(
        session, status=status, first=first, after=None if cursor is None else (cursor[0], cursor[1])
    )
    last = encode_cursor(rows[-1].made_at, rows[-1].commitment_id) if has_more else None
    return CommitmentPage(items=[CommitmentView.model_validate(row) for row in rows], next=last)


@router.get("/commitments/{commitment_id}", dependencies=[reads])
async def get_commitment(commitment_id: UUID, session: Session, response: Response) -> CommitmentWithHistory:
    """Return a promise and everything that was said about it."""
    row, history = await service.get_commitment(session, commitment_id)
    etag(response, row.version)
    changes = [CommitmentChangeView.model_validate(change) for change in history]
    return CommitmentWithHistory.model_validate({**vars(row), "history": changes})


@router.post("/commitments/{commitment_id}:changeStatus")
async def change_status(
    commitment_id: UUID,
    body: ChangeStatus,
    session: Session,
    clock: ClockDependency,
    if_match: IfMatch,
    response: Response,
    principal: Annotated[Principal, Depends(require("survey:write"))],
) -> CommitmentView:
    """Report what became of a promise, with its proof."""
    row = await service.change_status(
        session,
        commitment_id,
        status=body.status,
        proof=body.proof,
        if_match=if_match,
        changed_by=principal.subject,
        now=clock.now(),
    )
    etag(response, row.version)
    return CommitmentView.model_validate(row)
