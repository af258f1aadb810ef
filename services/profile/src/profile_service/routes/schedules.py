"""RFM and cut points: HTTP only."""

from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Query, Request, Response

from profile_service.repository.schedules import ScheduleRow
from profile_service.routes.dependencies import SettingsDependency, SightDependency, reads, writes
from profile_service.rules.rfm import Rfm, rfm_values
from profile_service.rules.schedules import Timing
from profile_service.schemas import schedules as schemas
from profile_service.schemas.schedules import Subject
from profile_service.service import schedules
from servicekit.cursors import decode_cursor, encode_cursor
from servicekit.http import ClockDependency, IfMatch, Session, TransactionalRoute, etag, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["values"])


@router.get("/rfm", dependencies=reads)
async def get_rfm(session: Session, sight: SightDependency, response: Response) -> schemas.RfmDefinitionAnswer:
    """What recency, frequency and monetary are measured by; null for whoever may not see that."""
    rfm, version = await schedules.get_rfm(session)
    etag(response, version)
    is_shown = all(sight.sees_tree(value) for value in rfm_values(rfm).values())
    return schemas.RfmDefinitionAnswer(definition=rfm if is_shown else None, version=version)


@router.put("/rfm", dependencies=writes, responses={201: {"model": schemas.RfmDefinitionAnswer}})
async def put_rfm(
    body: Rfm, request: Request, session: Session, clock: ClockDependency, response: Response, demanded: IfMatch
) -> schemas.RfmDefinitionAnswer:
    """Measure by this; cut points that are scheduled are taken anew at once."""
    rfm, version, is_new = await schedules.put_rfm(session, body, demanded_version=demanded, now=clock.now())
    resource(request, "wake_cutter")(session)
    response.status_code = 201 if is_new else 200
    etag(response, version)
    return schemas.RfmDefinitionAnswer(definition=rfm, version=version)


@router.get("/cut-points", dependencies=reads)
async def list_schedules(session: Session) -> schemas.ScheduleListAnswer:
    """Of what cut points are taken, and when."""
    return schemas.ScheduleListAnswer(items=[_schedule(row) for row in await schedules.list_schedules(session)])


@router.get("/cut-points/{subject}", dependencies=reads)
async def get_schedule(subject: Subject, session: Session, response: Response) -> schemas.ScheduleAnswer:
    """When cut points of a subject are taken."""
    return _tagged(await schedules.get_schedule(session, subject), response)


@router.get("/cut-points/{subject}/versions", dependencies=reads)
async def list_cuts(
    subject: Subject,
    session: Session,
    first: Annotated[int, Query(ge=1, le=100)] = 10,
    after: Annotated[str | None, Query(max_length=500)] = None,
) -> schemas.CutHistoryAnswer:
    """Cut points as taken, newest first."""
    before = decode_cursor(after, int)[0] if after is not None else None
    rows, has_more = await schedules.list_cuts(session, subject, before=before, first=first)
    return schemas.CutHistoryAnswer(
        items=[schemas.CutsAnswer.model_validate(row) for row in rows],
        next=encode_cursor(rows[-1].version) if has_more else None,
    )


@router.put("/cut-points/{subject}", dependencies=writes, responses={201: {"model": schemas.ScheduleAnswer}})
async def put_schedule(
    subject: Subject,
    body: Timing,
    request: Request,
    session: Session,
    settings: SettingsDependency,
    clock: ClockDependency,
    response: Response,
    demanded: IfMatch,
) -> schemas.ScheduleAnswer:
    """Take cut points by this schedule, the first time at once."""
    row, is_new = await schedules.put_schedule(
        session,
        subject,
        body,
        demanded_revision=demanded,
        zone=ZoneInfo(settings.time_zone),
        now=clock.now(),
    )
    resource(request, "wake_cutter")(session)
    response.status_code = 201 if is_new else 200
    return _tagged(row, response)


@router.post("/cut-points/{subject}:cut", dependencies=writes, status_code=202)
async def request_cut(
    subject: Subject, request: Request, session: Session, clock: ClockDependency, response: Response
) -> schemas.ScheduleAnswer:
    """Take cut points now; `version` grows when they are."""
    row = await schedules.request_cut(session, subject, now=clock.now())
    resource(request, "wake_cutter")(session)
    return _tagged(row, response)


@router.delete("/cut-points/{subject}", dependencies=writes, status_code=204)
async def delete_schedule(subject: Subject, session: Session, demanded: IfMatch) -> None:
    """Take no more cut points of a subject, and forget those taken."""
    await schedules.delete_schedule(session, subject, demanded_revision=demanded)


def _tagged(row: ScheduleRow, response: Response) -> schemas.ScheduleAnswer:
    etag(response, row.revision)
    return _schedule(row)


def _schedule(row: ScheduleRow) -> schemas.ScheduleAnswer:
    timing = Timing.model_validate(row.document)
    return schemas.ScheduleAnswer(
        subject=row.subject,
        every=timing.every,
        day=timing.day,
        at=timing.at,
        next_at=row.next_at,
        version=row.version,
        taken_at=row.taken_at,
        revision=row.revision,
    )
