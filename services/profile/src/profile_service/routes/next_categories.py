"""Next categories: HTTP only."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from contracts.conditions import Name
from profile_service.repository.schedules import ScheduleRow
from profile_service.routes.dependencies import reads, writes
from profile_service.rules.next_categories import LiftSettings
from profile_service.service import next_categories
from servicekit.http import (
    Answer,
    BatchGet,
    ClockDependency,
    IfMatch,
    Session,
    TransactionalRoute,
    etag,
    resource,
)

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["values"])


class LiftSettingsAnswer(Answer):
    """The settings; `version` counts takings, `revision` edits (ETag)."""

    definition: LiftSettings
    next_at: datetime
    taken_at: datetime | None
    version: int
    revision: int


class LiftAnswer(Answer):
    """Who bought `from_category` buys `to_category` `lift` times as often as everybody.

    `customers` bought both, `support` is their share of all buyers, `confidence` of the buyers of `from_category`.
    """

    to_category: str
    from_category: str
    customers: int
    support: float
    confidence: float
    lift: float


class LiftListAnswer(Answer):
    """The highest lift first."""

    items: list[LiftAnswer]


class NextCategoriesQuery(BatchGet):
    """At most `first` categories for each customer."""

    first: int = Field(default=3, ge=1, le=20)


class NextOfCustomerAnswer(Answer):
    """A customer's categories not yet bought, the highest lift first; each with the recent one that leads to it."""

    customer_id: UUID
    categories: list[LiftAnswer]


class NextCategoriesAnswer(Answer):
    """One entry per requested customer, in order; of which taking (0: none yet)."""

    customers: list[NextOfCustomerAnswer]
    version: int
    taken_at: datetime | None


@router.get("/next-categories", dependencies=reads)
async def get_settings(session: Session, response: Response) -> LiftSettingsAnswer:
    """From which purchases lifts are taken, and when."""
    return _settings(await next_categories.get_settings(session), response)


@router.put("/next-categories", dependencies=writes, responses={201: {"model": LiftSettingsAnswer}})
async def put_settings(
    body: LiftSettings,
    request: Request,
    session: Session,
    clock: ClockDependency,
    response: Response,
    demanded: IfMatch,
) -> LiftSettingsAnswer:
    """Take lifts by these settings, at once and by their schedule."""
    row, is_new = await next_categories.put_settings(session, body, demanded_revision=demanded, now=clock.now())
    resource(request, "wake_cutter")(session)
    response.status_code = 201 if is_new else 200
    return _settings(row, response)


@router.delete("/next-categories", dependencies=writes, status_code=204)
async def delete_settings(session: Session, demanded: IfMatch) -> None:
    """Take no more lifts and forget those taken."""
    await next_categories.delete_settings(session, demanded_revision=demanded)


@router.post("/next-categories:take", dependencies=writes, status_code=202)
async def request_lifts(
    request: Request, session: Session, clock: ClockDependency, response: Response
) -> LiftSettingsAnswer:
    """Take lifts now; `version` grows when they are."""
    row = await next_categories.request_lifts(session, now=clock.now())
    resource(request, "wake_cutter")(session)
    return _settings(row, response)


@router.get("/next-categories/lifts", dependencies=reads)
async def list_lifts(
    session: Session,
    from_category: Annotated[Name | None, Query()] = None,
    first: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> LiftListAnswer:
    """What is bought together, as last taken."""
    found = await next_categories.list_lifts(session, from_category=from_category, first=first)
    return LiftListAnswer(items=[LiftAnswer.model_validate(each) for each in found])


@router.post("/next-categories:batchGet", dependencies=reads)
async def get_next_categories(
    body: NextCategoriesQuery, session: Session, clock: ClockDependency
) -> NextCategoriesAnswer:
    """Which categories many customers are likeliest to buy next."""
    found, row = await next_categories.next_categories(session, body.customer_ids, first=body.first, now=clock.now())
    return NextCategoriesAnswer(
        customers=[
            NextOfCustomerAnswer(
                customer_id=customer_id,
                categories=[LiftAnswer.model_validate(each) for each in found.get(customer_id, [])],
            )
            for customer_id in body.customer_ids
        ],
        version=row.version,
        taken_at=row.taken_at,
    )


def _settings(row: ScheduleRow, response: Response) -> LiftSettingsAnswer:
    etag(response, row.revision)
    return LiftSettingsAnswer(
        definition=LiftSettings.model_validate(row.document),
        next_at=row.next_at,
        taken_at=row.taken_at,
        version=row.version,
        revision=row.revision,
    )
