"""Questionnaires and the figures over their answers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from servicekit.auth import require
from servicekit.http import ClockDependency, IfMatch, Key, Session, TransactionalRoute, etag
from survey_service.rules.measures import coverage, net_promoter_score
from survey_service.rules.questionnaire import Questionnaire
from survey_service.schemas import (
    CommitmentTotals,
    CoverageView,
    NpsView,
    QuestionnaireList,
    QuestionnaireSummary,
    QuestionnaireView,
    TotalsView,
)
from survey_service.service import measures
from survey_service.service import questionnaires as service

router = APIRouter(prefix="/v1", tags=["questionnaires"], route_class=TransactionalRoute)
reads = Depends(require("survey:read"))
writes = Depends(require("survey:write"))

QuestionnaireKey = Annotated[Key, Path()]
OfQuestionnaire = Annotated[Key | None, Query(alias="questionnaire", description="Of this questionnaire only")]


@router.put(
    "/questionnaires/{key}",
    dependencies=[writes],
    responses={201: {"model": QuestionnaireView, "description": "Created"}},
)
async def put_questionnaire(
    key: QuestionnaireKey,
    questionnaire: Questionnaire,
    session: Session,
    clock: ClockDependency,
    if_match: IfMatch,
    response: Response,
) -> QuestionnaireView:
    """Store a questionnaire; another content becomes its next version. Invitations already issued keep theirs."""
    saved, created = await service.save_questionnaire(
        session, key, questionnaire=questionnaire, if_match=if_match, now=clock.now()
    )
    response.status_code = 201 if created else 200
    etag(response, saved.version)
    return _view(saved)


@router.get("/questionnaires", dependencies=[reads])
async def list_questionnaires(session: Session) -> QuestionnaireList:
    """List every questionnaire's present version, by key."""
    return QuestionnaireList(items=[_summary(saved) for saved in await service.list_questionnaires(session)])


@router.get("/questionnaires/{key}", dependencies=[reads])
async def get_questionnaire(
    key: QuestionnaireKey,
    session: Session,
    response: Response,
    version: Annotated[int | None, Query(ge=1, le=2_000_000_000)] = None,
) -> QuestionnaireView:
    """Return one version of a questionnaire, the present one by default."""
    saved = await service.get_questionnaire(session, key, version=version)
    etag(response, saved.version)
    return _view(saved)


@router.get("/coverage", dependencies=[reads])
async def get_coverage(
    session: Session,
    clock: ClockDependency,
    questionnaire: OfQuestionnaire = None,
    base: Annotated[
        int | None, Query(ge=0, le=10_000_000_000, description="Share of this many customers instead of those invited")
    ] = None,
) -> CoverageView:
    """Return how many customers told us something that still counts, as a share of those invited (or of `base`)."""
    now = clock.now()
    counted = await measures.measure_coverage(session, questionnaire, now=now)
    share_of = counted.invited if base is None else base
    return CoverageView(
        questionnaire_key=questionnaire,
        invited=counted.invited,
        answered=counted.answered,
        base=share_of,
        coverage=coverage(answered=counted.answered, base=share_of),
        as_of=now,
    )


@router.get("/nps", dependencies=[reads])
async def get_nps(session: Session, clock: ClockDependency, questionnaire: OfQuestionnaire = None) -> NpsView:
    """Return the Net Promoter Score over each customer's latest valid score."""
    now = clock.now()
    counts = await measures.measure_nps(session, questionnaire, now=now)
    return NpsView(
        questionnaire_key=questionnaire,
        responses=sum(counts),
        nps=net_promoter_score(promoters=counts.promoters, passives=counts.passives, detractors=counts.detractors),
        as_of=now,
        **counts._asdict(),
    )


@router.get("/totals", dependencies=[reads])
async def get_totals(session: Session, clock: ClockDependency) -> TotalsView:
    """Return counts over everything."""
    now = clock.now()
    counted = await measures.measure_coverage(session, None, now=now)
    commitments = await measures.measure_commitments(session)
    return TotalsView(
        invited=counted.invited,
        answered=counted.answered,
        commitments=CommitmentTotals.model_validate(commitments),
        as_of=now,
    )


def _view(saved: service.SavedQuestionnaire) -> QuestionnaireView:
    return QuestionnaireView(
        **dict(saved.questionnaire),
        key=saved.key,
        version=saved.version,
        created_at=saved.created_at,
        updated_at=saved.updated_at,
    )


def _summary(saved: service.SavedQuestionnaire) -> QuestionnaireSummary:
    return QuestionnaireSummary(
        key=saved.key,
        version=saved.version,
        title=saved.questionnaire.title,
        language=saved.questionnaire.language,
        questions=len(saved.questionnaire.questions),
        created_at=saved.created_at,
        updated_at=saved.updated_at,
    )
