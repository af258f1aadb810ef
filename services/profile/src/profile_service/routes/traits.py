"""Traits: their definitions, what sources take back, why a value won. HTTP only."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from contracts.conditions import Name
from profile_service.repository.observations import Place
from profile_service.repository.trait_definitions import TraitDefinitionRow, TraitSpecification
from profile_service.routes.dependencies import reads, writes
from profile_service.schemas import traits as schemas
from profile_service.service import traits
from profile_service.service.policy import sight_of
from profile_service.service.traits import Explanation, WantedRetraction
from servicekit.auth import Principal, require
from servicekit.cursors import decode_cursor, encode_cursor
from servicekit.http import ClockDependency, IfMatch, Session, TransactionalRoute, etag, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["profile"])

TraitName = Annotated[Name, Path()]
"""Any text: sources choose their traits' names. A slash is part of it."""


@router.get("/traits", dependencies=reads)
async def list_traits(
    session: Session,
    first: Annotated[int, Query(ge=1, le=200)] = 100,
    after: Annotated[str | None, Query(max_length=2000)] = None,
) -> schemas.TraitDefinitionsAnswer:
    """Definitions of traits by name; a trait without one takes any value, and the latest wins."""
    last = decode_cursor(after, str)[0] if after is not None else None
    page = await traits.list_definitions(session, after=last, first=first)
    return schemas.TraitDefinitionsAnswer(items=[_definition(row) for row in page.items], next=page.next)


@router.get("/traits/{name:path}", dependencies=reads)
async def get_trait(name: TraitName, session: Session, response: Response) -> schemas.TraitDefinitionAnswer:
    """One trait's definition."""
    return _tagged(await traits.get_definition(session, name), response)


@router.put("/traits/{name:path}", dependencies=writes, responses={201: {"model": schemas.TraitDefinitionAnswer}})
async def put_trait(
    name: TraitName,
    body: schemas.TraitBody,
    request: Request,
    session: Session,
    clock: ClockDependency,
    response: Response,
    demanded: IfMatch,
) -> schemas.TraitDefinitionAnswer:
    """Define a trait. When its folding changes, everybody is folded anew, and segments follow."""
    row, is_new = await traits.put_definition(
        session,
        name,
        TraitSpecification(
            type=body.type,
            policy=body.policy,
            trusted=[entry.model_dump() for entry in body.trusted],
            description=body.description,
            is_sensitive=body.is_sensitive,
            labels=body.labels,
        ),
        demanded_revision=demanded,
        now=clock.now(),
        wake=resource(request, "wake_trait_work"),
    )
    response.status_code = 201 if is_new else 200
    return _tagged(row, response)


@router.delete("/traits/{name:path}", dependencies=writes, status_code=204)
async def delete_trait(
    name: TraitName, request: Request, session: Session, clock: ClockDependency, demanded: IfMatch
) -> None:
    """Remove a trait's definition: any value again, and the latest wins."""
    wake = resource(request, "wake_trait_work")
    await traits.delete_definition(session, name, demanded_revision=demanded, now=clock.now(), wake=wake)


@router.post("/traits/{name:path}:retract", status_code=201)
async def retract_trait(
    name: TraitName,
    body: schemas.RetractBody,
    request: Request,
    session: Session,
    clock: ClockDependency,
    principal: Annotated[Principal, Depends(require("profile:write"))],
) -> schemas.RetractionAnswer:
    """Take back what a source said of a trait: of a customer at once, of everybody by a job."""
    retraction = await traits.retract(
        session,
        WantedRetraction(name=name, asked_by=principal.subject, **dict(body)),
        work=resource(request, "trait_work"),
        clock=clock,
        wake=resource(request, "wake_trait_work"),
    )
    return schemas.RetractionAnswer.model_validate(retraction)


@router.get("/retractions/{retraction_id}", dependencies=reads)
async def get_retraction(retraction_id: UUID, session: Session) -> schemas.RetractionAnswer:
    """What a source took back, and how far that is."""
    return schemas.RetractionAnswer.model_validate(await traits.get_retraction(session, retraction_id))


@router.get("/customers/{customer_id}/traits/{name:path}", dependencies=reads)
async def explain_trait(
    customer_id: UUID,
    name: TraitName,
    session: Session,
    first: Annotated[int, Query(ge=1, le=200)] = 50,
    after: Annotated[str | None, Query(max_length=500)] = None,
) -> schemas.ExplanationAnswer:
    """Why a customer's trait is what it is: everything said of it, and why each did not win."""
    found = await traits.explain_one(session, customer_id, name, first=first, before=_before(after))
    return _explanation(customer_id, name, found)


@router.post("/trait-observations:batchGet", dependencies=reads)
async def get_trait_observations(
    body: schemas.TraitObservationsQuery, session: Session
) -> schemas.TraitObservationsAnswer:
    """Why some traits of many customers are what they are: what was said of each, and why each word did not win."""
    found = await traits.explain(session, body.customer_ids, body.names, first=body.first, before=_before(body.after))
    names = list(dict.fromkeys(body.names))
    return schemas.TraitObservationsAnswer(
        customers=[
            schemas.TraitsOfCustomerAnswer(
                customer_id=each,
                traits=[_explanation(each, name, found[each, name]) for name in names if (each, name) in found],
            )
            for each in body.customer_ids
        ],
        withheld=sight_of(session).restricts("trait"),
    )


def _before(after: str | None) -> Place | None:
    if after is None:
        return None
    observed_at, received_at, event_id = decode_cursor(after, datetime, datetime, UUID)
    return observed_at, received_at, event_id


def _explanation(customer_id: UUID, name: str, found: Explanation) -> schemas.ExplanationAnswer:
    return schemas.ExplanationAnswer(
        customer_id=customer_id,
        name=name,
        value=found.value,
        policy=found.policy,
        observations=[
            schemas.ObservationAnswer(
                event_id=each.event_id,
                value=each.value,
                source_id=each.source_id,
                department=each.department,
                brand=each.brand,
                legal_entity=each.legal_entity,
                observed_at=each.observed_at,
                received_at=each.known_received_at,
                lost_because=reason,
                retracted=None if each.retracted is None else schemas.RetractedAnswer.model_validate(each.retracted),
                cursor=encode_cursor(each.observed_at, each.received_at, each.event_id),
            )
            for each, reason in found.observations
        ],
        has_more=found.has_more,
    )


def _tagged(row: TraitDefinitionRow, response: Response) -> schemas.TraitDefinitionAnswer:
    etag(response, row.revision)
    return _definition(row)


def _definition(row: TraitDefinitionRow) -> schemas.TraitDefinitionAnswer:
    wanted = row.specification
    return schemas.TraitDefinitionAnswer(
        name=row.name,
        type=wanted.type,
        policy=wanted.policy,
        trusted=[dict(entry) for entry in wanted.trusted],
        description=wanted.description,
        is_sensitive=wanted.is_sensitive,
        labels=list(wanted.labels),
        revision=row.revision,
        updated_at=row.updated_at,
        status="refolding" if row.is_refolding else "folded",
        refolded=row.refolded,
    )
