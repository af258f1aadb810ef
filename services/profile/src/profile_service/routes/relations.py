"""Related persons' dates: HTTP only."""

from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from contracts.relations import RelationDate, Unfit, read_day, read_label
from profile_service.repository.relations import RelationView
from profile_service.routes.dependencies import SettingsDependency, reads, writes
from profile_service.schemas import relations as schemas
from profile_service.service import relations
from servicekit.errors import Invalid
from servicekit.http import ClockDependency, Key, Session, TransactionalRoute, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["relations"])

_ONE = "/customers/{customer_id}/relations/{relation_id}"
Purpose = Annotated[Key, Query(description="What it is wanted for.")]


@router.put(_ONE, dependencies=writes, responses={201: {"model": schemas.RelationAnswer}})
async def put_relation(
    customer_id: UUID,
    relation_id: UUID,
    body: schemas.RelationBody,
    request: Request,
    session: Session,
    clock: ClockDependency,
    settings: SettingsDependency,
    response: Response,
) -> schemas.RelationAnswer:
    """Keep a date that the customer gave for a purpose. The timeline says that it was given, not what."""
    view, is_new = await relations.put_relation(
        session,
        customer_id,
        relation_id,
        _given(body),
        recorder=resource(request, "recorder"),
        zone=ZoneInfo(settings.time_zone),
        now=clock.now(),
    )
    response.status_code = 201 if is_new else 200
    return _relation(view)


def _given(body: schemas.RelationBody) -> RelationDate:
    try:
        return RelationDate(
            relation=read_label(body.relation, "relation"),
            occasion=read_label(body.occasion, "occasion"),
            day=read_day(body.date if isinstance(body.date, str) else body.date.model_dump()),
            purpose=body.purpose,
            until=body.until,
        )
    except Unfit as refusal:
        raise Invalid(refusal.detail, field=refusal.field) from None


@router.get(_ONE, dependencies=reads)
async def get_relation(
    customer_id: UUID, relation_id: UUID, purpose: Purpose, session: Session, clock: ClockDependency
) -> schemas.RelationAnswer:
    """One date, for the purpose it was given for: for any other it is refused."""
    return _relation(await relations.get_relation(session, customer_id, relation_id, purpose=purpose, now=clock.now()))


@router.delete(_ONE, dependencies=writes, status_code=204)
async def withdraw_relation(
    customer_id: UUID, relation_id: UUID, request: Request, session: Session, clock: ClockDependency
) -> None:
    """The customer takes it back: nobody reads it any more, and its content is deleted."""
    await relations.withdraw_relation(
        session, customer_id, relation_id, recorder=resource(request, "recorder"), now=clock.now()
    )


@router.post("/relations:batchGet", dependencies=reads)
async def get_relations(
    body: schemas.RelationsQuery, session: Session, clock: ClockDependency
) -> schemas.RelationsAnswer:
    """What many customers gave for one purpose; nothing that was given for another."""
    found = await relations.relations_of(session, body.customer_ids, purpose=body.purpose, now=clock.now())
    return schemas.RelationsAnswer(
        customers=[
            schemas.RelationsOfCustomerAnswer(customer_id=customer_id, relations=[_relation(view) for view in views])
            for customer_id, views in zip(body.customer_ids, found, strict=True)
        ]
    )


def _relation(view: RelationView) -> schemas.RelationAnswer:
    return schemas.RelationAnswer(
        customer_id=view.customer_id,
        relation_id=view.relation_id,
        relation=view.relation,
        occasion=view.occasion,
        date=str(view.day),
        purpose=view.purpose,
        source_id=view.source_id,
        given_at=view.given_at,
        ends_at=view.ends_at,
    )
