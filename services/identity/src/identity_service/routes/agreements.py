"""Agreements between legal entities."""

from fastapi import APIRouter, Depends, Response

from identity_service.models import Agreement
from identity_service.routes.dependencies import After, First
from identity_service.schemas.agreements import AgreementAnswer, AgreementBody, AgreementPage
from identity_service.service import agreements as service
from servicekit.auth import require
from servicekit.http import ClockDependency, IfMatch, Key, Session, TransactionalRoute, etag

READ, WRITE = Depends(require("identity:read")), Depends(require("identity:write"))

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["agreements"])


@router.put("/agreements/{agreement_id}", dependencies=[WRITE], responses={201: {"model": AgreementAnswer}})
async def put_agreement(
    agreement_id: Key,
    body: AgreementBody,
    response: Response,
    session: Session,
    clock: ClockDependency,
    version: IfMatch,
) -> AgreementAnswer:
    """Let one legal entity use another's links; it holds for reads from now on."""
    agreement, is_new = await service.put_agreement(session, agreement_id, body, version=version, clock=clock)
    response.status_code = 201 if is_new else 200
    return _answer(agreement, response)


@router.get("/agreements/{agreement_id}", dependencies=[READ])
async def get_agreement(agreement_id: Key, response: Response, session: Session) -> AgreementAnswer:
    """Return one agreement."""
    return _answer(await service.get_agreement(session, agreement_id), response)


@router.delete("/agreements/{agreement_id}", dependencies=[WRITE], status_code=204)
async def delete_agreement(agreement_id: Key, session: Session, clock: ClockDependency, version: IfMatch) -> None:
    """Remove an agreement made by mistake. To end one, set `valid_until`: then it stays on record."""
    await service.delete_agreement(session, agreement_id, version=version, clock=clock)


@router.get("/agreements", dependencies=[READ])
async def list_agreements(session: Session, first: First = 100, after: After = None) -> AgreementPage:
    """Return agreements by id, those that ended included."""
    return AgreementPage.model_validate(await service.list_agreements(session, first=first, after=after))


def _answer(agreement: Agreement, response: Response) -> AgreementAnswer:
    etag(response, agreement.version)
    return AgreementAnswer.model_validate(agreement)
