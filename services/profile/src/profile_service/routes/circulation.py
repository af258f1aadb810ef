"""Circulation between departments: HTTP only."""

from datetime import date
from typing import Annotated, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query

from profile_service.repository.circulation import ResultRow
from profile_service.routes.dependencies import SettingsDependency
from profile_service.schemas import circulation as schemas
from profile_service.service import circulation
from profile_service.service.circulation import SegmentResults
from servicekit.auth import require
from servicekit.http import ClockDependency, Key, Session, TransactionalRoute

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["policy"])


@router.get("/circulation", dependencies=[Depends(require("circulation:read"))])
async def get_circulation(
    session: Session,
    clock: ClockDependency,
    settings: SettingsDependency,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="until")] = None,
    step: Literal["day", "month"] = "month",
    segment: Annotated[Key | None, Query(description="Also what this segment's members did since.")] = None,
) -> schemas.CirculationAnswer:
    """What each department gave, which others used it, in which segments, with which result; by default 30 days."""
    zone = ZoneInfo(settings.time_zone)
    found = await circulation.report(
        session,
        first=first,
        last=last,
        step=step,
        segment_key=segment,
        purchase_event=settings.purchase_event,
        zone=zone,
        today=clock.now().astimezone(zone).date(),
    )
    return schemas.CirculationAnswer(
        first_day=found.first,
        last_day=found.last,
        given=[
            schemas.GivenAnswer(
                begins_on=row.begins_on, department=row.department or None, kind=row.kind, count=row.count
            )
            for row in found.given
        ],
        used=[
            schemas.UsedAnswer(reader=row.reader, giver=row.giver or None, kind=row.kind, count=row.count)
            for row in found.used
        ],
        segments=[
            schemas.SegmentUseAnswer(
                key=use.segment.key,
                name=use.segment.name,
                department=use.segment.department,
                drawn_from=use.drawn_from,
                entered=use.segment.entered,
            )
            for use in found.segments
        ],
        results=None if found.results is None else _results(found.results),
    )


def _results(found: SegmentResults) -> schemas.SegmentResultsAnswer:
    return schemas.SegmentResultsAnswer(
        key=found.key,
        members=found.members,
        is_too_large=found.is_too_large,
        messages_sent=_result(found.sent),
        links_clicked=_result(found.clicked),
        purchases=_result(found.purchases),
    )


def _result(row: ResultRow | None) -> schemas.ResultAnswer | None:
    return None if row is None else schemas.ResultAnswer.model_validate(row)
