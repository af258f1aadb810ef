"""Who is this, whose is this, how much of the base is linked, what was rejected."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Depends, Query

from identity_service.schemas.customers import (
    BatchLookup,
    CoverageAnswer,
    CoverageHistory,
    CustomerPage,
    CustomersAnswer,
    CustomersQuestion,
    IdentifiersAnswer,
    RejectionPage,
)
from identity_service.service import coverage
from identity_service.service import customers as service
from servicekit.auth import require
from servicekit.http import ClockDependency, Session, TransactionalRoute

router = APIRouter(
    prefix="/v1", route_class=TransactionalRoute, tags=["customers"], dependencies=[Depends(require("identity:read"))]
)

First = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[str | None, Query(max_length=500)]


Dimension = Annotated[str, Query(max_length=100, pattern=r"^[^\x00]*$")]


@router.post("/customers:batchGet")
async def get_customers(body: CustomersQuestion, session: Session, clock: ClockDependency) -> CustomersAnswer:
    """Return customers with their identifiers; former ids give the customer they became.

    With `legal_entity` and `purpose`: only identifiers that its own sources brought, or that are reached from those
    over links which it may use for that purpose, as their maker or under an agreement.
    """
    customers = await service.get_customers(
        session, body.customer_ids, legal_entity=body.legal_entity, purpose=body.purpose, clock=clock
    )
    return CustomersAnswer.model_validate({"customers": customers})


@router.post("/identifiers:batchLookup")
async def look_up_identifiers(body: BatchLookup, session: Session) -> IdentifiersAnswer:
    """Return whose identifiers these are."""
    found = await service.look_up_identifiers(session, [(one.namespace, one.value) for one in body.identifiers])
    return IdentifiersAnswer.model_validate({"identifiers": found})


@router.get("/customers")
async def list_customers(session: Session, first: First = 100, after: After = None) -> CustomerPage:
    """Return customers, the oldest first."""
    return CustomerPage.model_validate(await service.list_customers(session, first=first, after=after))


@router.get("/coverage")
async def read_coverage(session: Session, clock: ClockDependency) -> CoverageAnswer:
    """Return how much of the base is known and linked, and what became of events."""
    return CoverageAnswer.model_validate(await coverage.read_coverage(session, clock=clock))


@router.get("/coverage/history")
async def read_coverage_history(
    session: Session,
    clock: ClockDependency,
    since: Annotated[date | None, Query(alias="from")] = None,
    until: date | None = None,
    brand: Dimension = "",
    source_id: Dimension = "",
    namespace: Dimension = "",
    first: First = 1000,
    after: After = None,
) -> CoverageHistory:
    """Return coverage by day, the oldest first; by default of the last 90 days and of everything together.

    Of brand, source and namespace: nothing counts all together, `*` gives each one, a name that one. A customer counts
    where any of its identifiers was brought; whether it is known or linked outside is asked of the whole customer.
    """
    history = await coverage.read_history(
        session,
        since=since,
        until=until,
        brand=brand,
        source_id=source_id,
        namespace=namespace,
        first=first,
        after=after,
        clock=clock,
    )
    return CoverageHistory.model_validate(history)


@router.get("/rejections")
async def list_rejections(session: Session, first: First = 100, after: After = None) -> RejectionPage:
    """Return events that could not be taken, the newest first."""
    return RejectionPage.model_validate(await service.list_rejections(session, first=first, after=after))
