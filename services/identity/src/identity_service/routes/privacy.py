"""Erasing a customer, and disclosing what is held on one."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from identity_service.routes.dependencies import After, First, NewId, Partitions
from identity_service.schemas.privacy import (
    DisclosureAnswer,
    DisclosureBody,
    DisclosureCompletedBody,
    DisclosurePage,
    ErasureAnswer,
    ErasureBody,
    ErasurePage,
)
from identity_service.service import privacy as service
from servicekit.auth import Principal, require
from servicekit.export import EXPORT_SCHEMA
from servicekit.http import ClockDependency, Session, TransactionalRoute, resource

READ = Depends(require("privacy:read"))
Eraser = Annotated[Principal, Depends(require("privacy:write"))]
Discloser = Annotated[Principal, Depends(require("privacy:read"))]

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["privacy"])
exports = APIRouter(prefix="/v1", tags=["privacy"])


@router.post("/customers/{customer_id}:erase", status_code=202)
async def erase_customer(
    customer_id: UUID,
    body: ErasureBody,
    eraser: Eraser,
    request: Request,
    session: Session,
    clock: ClockDependency,
    new_id: NewId,
    partitions: Partitions,
) -> ErasureAnswer:
    """Erase a customer everywhere; a former id is followed. It cannot be undone. Again: the same erasure."""
    erasure = await service.erase_customer(
        session,
        customer_id,
        requested_by=eraser.subject,
        why=body.why,
        secret=resource(request, "secret")(),
        clock=clock,
        new_id=new_id,
        partitions=partitions,
    )
    resource(request, "erasures").wake_after_commit(session)
    return erasure


@router.get("/erasures", dependencies=[READ])
async def list_erasures(session: Session, first: First = 100, after: After = None) -> ErasurePage:
    """Return erasures, the newest first."""
    return ErasurePage.model_validate(await service.list_erasures(session, first=first, after=after))


@router.get("/erasures/{erasure_id}", dependencies=[READ])
async def get_erasure(erasure_id: UUID, session: Session) -> ErasureAnswer:
    """Return an erasure with the receipts that are there."""
    return await service.get_erasure(session, erasure_id)


@router.post("/disclosures", status_code=201)
async def begin_disclosure(
    body: DisclosureBody, discloser: Discloser, session: Session, clock: ClockDependency, new_id: NewId
) -> DisclosureAnswer:
    """Write down who asks for everything held on a customer. Then read every service's `export` and complete this."""
    return await service.begin_disclosure(
        session, body.customer_id, requested_by=discloser.subject, why=body.why, clock=clock, new_id=new_id
    )


@router.post("/disclosures/{disclosure_id}:complete", dependencies=[READ])
async def complete_disclosure(
    disclosure_id: UUID, body: DisclosureCompletedBody, session: Session, clock: ClockDependency
) -> DisclosureAnswer:
    """Note which services gave what they hold, and which did not answer."""
    return await service.complete_disclosure(
        session, disclosure_id, services=body.services, missing=body.missing, clock=clock
    )


@router.get("/disclosures", dependencies=[READ])
async def list_disclosures(
    session: Session,
    customer_id: Annotated[UUID | None, Query()] = None,
    first: First = 100,
    after: After = None,
) -> DisclosurePage:
    """Return disclosures (of one customer), the newest first."""
    page = await service.list_disclosures(session, customer_id=customer_id, first=first, after=after)
    return DisclosurePage.model_validate(page)


@exports.get(
    "/customers/{customer_id}/export",
    dependencies=[READ],
    response_class=StreamingResponse,
    responses={200: {"content": {"application/json": {"schema": EXPORT_SCHEMA}}}},
    summary="Everything held on a customer",
)
async def export_customer(request: Request, customer_id: UUID) -> StreamingResponse:
    """Give every row about the customer, by table; a former id is followed."""
    document = await service.export_customer(request.app.state.service.database, customer_id)
    return StreamingResponse(document, media_type="application/json", headers={"Cache-Control": "no-store"})
