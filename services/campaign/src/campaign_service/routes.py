"""Campaign's REST interface."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Request, Response

from campaign_service.schemas import (
    CampaignAnswer,
    CampaignBatch,
    CampaignBody,
    CampaignKeys,
    CampaignList,
    CampaignResults,
    CreativeAnswer,
    CreativeBody,
    CreativeList,
    JourneyAnswer,
    JourneyBody,
    JourneyList,
    JourneysBatch,
    RefreshAnswer,
)
from campaign_service.service import configuration, reads, results
from servicekit.auth import require
from servicekit.database import wake_after_commit
from servicekit.http import (
    BatchGet,
    ClockDependency,
    IfMatch,
    Key,
    Session,
    TransactionalRoute,
    etag,
    resource,
)
from servicekit.workers import PeriodicWorker

router = APIRouter(prefix="/v1", route_class=TransactionalRoute)
ThingKey = Annotated[Key, Path()]
READ = [Depends(require("campaign:read"))]
WRITE = [Depends(require("campaign:write"))]


def _created(response: Response, created: bool, version: int) -> None:
    response.status_code = 201 if created else 200
    etag(response, version)


def _wake(request: Request, session: Session, worker_name: str) -> None:
    worker: PeriodicWorker = resource(request, worker_name)
    wake_after_commit(session, worker.wake)


@router.put("/creatives/{key}", dependencies=WRITE, responses={201: {"model": CreativeAnswer}})
async def put_creative(
    key: ThingKey, body: CreativeBody, session: Session, clock: ClockDependency, expected: IfMatch, response: Response
) -> CreativeAnswer:
    """Store a creative: 201 when it is new, 200 after; the same again changes nothing."""
    creative, created = await configuration.put_creative(session, key, body, expected=expected, now=clock.now())
    _created(response, created, creative.version)
    return CreativeAnswer.model_validate(creative)


@router.get("/creatives", dependencies=READ)
async def list_creatives(session: Session) -> CreativeList:
    """List every creative."""
    return await reads.list_creatives(session)


@router.get("/creatives/{key}", dependencies=READ)
async def get_creative(key: ThingKey, session: Session, response: Response) -> CreativeAnswer:
    """Read a creative."""
    creative = await reads.get_creative(session, key)
    etag(response, creative.version)
    return creative


@router.put("/campaigns/{key}", dependencies=WRITE, responses={201: {"model": CampaignAnswer}})
async def put_campaign(
    key: ThingKey, body: CampaignBody, session: Session, clock: ClockDependency, expected: IfMatch, response: Response
) -> CampaignAnswer:
    """Store a campaign with its goal: 201 when it is new, 200 after; the same again changes nothing."""
    campaign, created = await configuration.put_campaign(session, key, body, expected=expected, now=clock.now())
    _created(response, created, campaign.version)
    return CampaignAnswer.of(campaign)


@router.get("/campaigns", dependencies=READ)
async def list_campaigns(session: Session) -> CampaignList:
    """List every campaign."""
    return await reads.list_campaigns(session)


@router.post("/campaigns:batchGet", dependencies=READ)
async def batch_get_campaigns(body: CampaignKeys, session: Session) -> CampaignBatch:
    """Read campaigns by key; one entry per key, in order, null where there is none."""
    return await reads.batch_get_campaigns(session, body.keys)


@router.get("/campaigns/{key}", dependencies=READ)
async def get_campaign(key: ThingKey, session: Session, response: Response) -> CampaignAnswer:
    """Read a campaign."""
    campaign = await reads.get_campaign(session, key)
    etag(response, campaign.version)
    return campaign


@router.get("/campaigns/{key}/results", dependencies=READ)
async def get_results(key: ThingKey, session: Session) -> CampaignResults:
    """Compare treatment and holdout: reached, opened, clicked, bought; lift with its 95 % confidence interval."""
    return await results.compute(session, key)


@router.post("/campaigns/{key}/results:refresh", dependencies=WRITE, status_code=202)
async def refresh_results(key: ThingKey, request: Request, session: Session, clock: ClockDependency) -> RefreshAnswer:
    """Have everybody's purchases read again now; it is done when the results' `as_of` reaches `requested_at`."""
    answer = await results.refresh(session, key, now=clock.now())
    _wake(request, session, "conversions")
    return answer


@router.put("/journeys/{key}", dependencies=WRITE, responses={201: {"model": JourneyAnswer}})
async def put_journey(
    key: ThingKey, body: JourneyBody, session: Session, clock: ClockDependency, expected: IfMatch, response: Response
) -> JourneyAnswer:
    """Store a journey's draft: 201 when it is new, 200 after. What is published stays until the next publish."""
    journey, created = await configuration.put_journey(session, key, body, expected=expected, now=clock.now())
    _created(response, created, journey.version)
    return JourneyAnswer.of(journey)


@router.get("/journeys", dependencies=READ)
async def list_journeys(session: Session) -> JourneyList:
    """List every journey."""
    return await reads.list_journeys(session)


@router.post("/journeys:batchGet", dependencies=READ)
async def batch_get_journeys(body: BatchGet, session: Session) -> JourneysBatch:
    """Read customers' runs, newest first; one entry per customer, in order."""
    return await reads.batch_get_journeys(session, body.customer_ids)


@router.get("/journeys/{key}", dependencies=READ)
async def get_journey(key: ThingKey, session: Session, response: Response) -> JourneyAnswer:
    """Read a journey."""
    journey = await reads.get_journey(session, key)
    etag(response, journey.version)
    return journey


@router.post("/journeys/{key}:publish", dependencies=WRITE)
async def publish_journey(
    key: ThingKey, request: Request, session: Session, clock: ClockDependency, expected: IfMatch
) -> JourneyAnswer:
    """Let customers enter the present draft from now on; also ends a pause. Again: nothing changes."""
    journey = await configuration.publish_journey(session, key, expected=expected, now=clock.now())
    _wake(request, session, "members")
    _wake(request, session, "runs")
    return JourneyAnswer.of(journey)


@router.post("/journeys/{key}:pause", dependencies=WRITE)
async def pause_journey(key: ThingKey, session: Session, clock: ClockDependency) -> JourneyAnswer:
    """Nobody enters, runs rest where they are; once this is answered nothing more is sent."""
    return JourneyAnswer.of(await configuration.pause_journey(session, key, now=clock.now()))
