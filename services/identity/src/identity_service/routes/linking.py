"""Probabilistic linking: its settings, its runs, the review queue."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from identity_service.models import LinkingSetting
from identity_service.routes.dependencies import After, DecidedBy, First, NewId
from identity_service.schemas.linking import (
    CandidateDecisionBody,
    CandidatePage,
    CandidateState,
    CandidateWithHistory,
    LinkingSettingsAnswer,
    LinkingSettingsBody,
    RunAccepted,
    RunAnswer,
    RunBody,
    RunPage,
)
from identity_service.service import candidates as candidates_service
from identity_service.service import linking as service
from servicekit.auth import Principal, require
from servicekit.http import ClockDependency, IfMatch, Session, TransactionalRoute, etag

READ, WRITE = Depends(require("identity:read")), Depends(require("identity:write"))

router = APIRouter(prefix="/v1/linking", route_class=TransactionalRoute, tags=["linking"])

Writer = Annotated[Principal, WRITE]


@router.get("/settings", dependencies=[READ])
async def get_settings(session: Session, response: Response) -> LinkingSettingsAnswer:
    """Return how customers are linked by probability."""
    return _settings_answer(await service.get_settings(session), response)


@router.put("/settings")
async def put_settings(
    body: LinkingSettingsBody,
    response: Response,
    session: Session,
    clock: ClockDependency,
    version: IfMatch,
    principal: Writer,
) -> LinkingSettingsAnswer:
    """Change how customers are linked by probability, for runs asked for from now on."""
    settings = await service.put_settings(session, body, version=version, changed_by=principal.subject, clock=clock)
    return _settings_answer(settings, response)


def _settings_answer(settings: LinkingSetting, response: Response) -> LinkingSettingsAnswer:
    etag(response, settings.version)
    return LinkingSettingsAnswer.model_validate(settings)


@router.post("/runs", status_code=202)
async def start_run(
    body: RunBody, session: Session, clock: ClockDependency, new_id: NewId, principal: Writer
) -> RunAccepted:
    """Score the base, or what is new or changed against it; one run at a time."""
    started = await service.start_run(session, body.kind, by=principal.subject, clock=clock, new_id=new_id)
    return RunAccepted.model_validate(started)


@router.get("/runs", dependencies=[READ])
async def list_runs(session: Session, first: First = 100, after: After = None) -> RunPage:
    """Return runs, the newest first."""
    return RunPage.model_validate(await service.list_runs(session, first=first, after=after))


@router.get("/runs/{run_id}", dependencies=[READ])
async def get_run(run_id: UUID, session: Session) -> RunAnswer:
    """Return a run."""
    return RunAnswer.model_validate(await service.get_run(session, run_id))


@router.get("/candidates", dependencies=[READ])
async def list_candidates(
    session: Session,
    state: Annotated[CandidateState | None, Query()] = None,
    customer_id: Annotated[UUID | None, Query(description="Of whom one side is, or was.")] = None,
    run_id: Annotated[UUID | None, Query(description="The run that scored them last.")] = None,
    first: First = 100,
    after: After = None,
) -> CandidatePage:
    """Return pairs of customers that are probably one person, the best score first."""
    page = await candidates_service.list_candidates(
        session, state=state, customer_id=customer_id, run_id=run_id, first=first, after=after
    )
    return CandidatePage.model_validate(page)


@router.get("/candidates/{candidate_id}", dependencies=[READ])
async def get_candidate(candidate_id: UUID, session: Session) -> CandidateWithHistory:
    """Return a pair with everything that was decided on it."""
    return CandidateWithHistory.model_validate(await candidates_service.get_candidate(session, candidate_id))


@router.post("/candidates/{candidate_id}:accept")
async def accept_candidate(
    candidate_id: UUID, body: CandidateDecisionBody, session: Session, decider: DecidedBy
) -> CandidateWithHistory:
    """Make the two customers one."""
    accepted = await candidates_service.accept_candidate(session, candidate_id, decider, why=body.why)
    return CandidateWithHistory.model_validate(accepted)


@router.post("/candidates/{candidate_id}:reject")
async def reject_candidate(
    candidate_id: UUID, body: CandidateDecisionBody, session: Session, decider: DecidedBy
) -> CandidateWithHistory:
    """Remember that these are two: they are never proposed or linked again."""
    rejected = await candidates_service.reject_candidate(session, candidate_id, decider, why=body.why)
    return CandidateWithHistory.model_validate(rejected)


@router.post("/candidates/{candidate_id}:undo")
async def undo_candidate(
    candidate_id: UUID, body: CandidateDecisionBody, session: Session, decider: DecidedBy
) -> CandidateWithHistory:
    """Take back what was decided, or what was linked by its score."""
    undone = await candidates_service.undo_candidate(session, candidate_id, decider, why=body.why)
    return CandidateWithHistory.model_validate(undone)
