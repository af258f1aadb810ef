"""Segments: HTTP only."""

from datetime import date
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response

from profile_service.repository.circulation import note_publisher
from profile_service.repository.segments import SegmentRow, VersionRow
from profile_service.routes.dependencies import SettingsDependency, SightDependency, reads, writes
from profile_service.schemas import segments as schemas
from profile_service.service import segment_sizes, segments
from profile_service.service.policy import Sight
from profile_service.service.previewing import Previewer
from profile_service.service.segment_sizes import Overlap
from profile_service.service.static_lists import Outcome
from servicekit.auth import Principal, require
from servicekit.cursors import decode_cursor, encode_cursor
from servicekit.errors import Forbidden
from servicekit.http import ClockDependency, IfMatch, Key, Session, TransactionalRoute, etag, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["segments"])

Reader = Annotated[Principal, Depends(require("profile:read"))]
Writer = Annotated[Principal, Depends(require("profile:write"))]
SCAN = "profile:scan"
"""The scope of those who may have everybody read, however long it takes."""


@router.get("/segments", dependencies=reads)
async def list_segments(session: Session, sight: SightDependency) -> schemas.SegmentListAnswer:
    """All segments by key."""
    rows = await segments.list_segments(session)
    return schemas.SegmentListAnswer(items=[_segment(row, sight) for row in rows], withheld=sight.restricts("segment"))


@router.get("/segments:overlap", dependencies=reads)
async def get_overlap(a: Key, b: Key, session: Session) -> schemas.OverlapAnswer:
    """How many customers two segments have in common."""
    [pair] = await segment_sizes.compare_segments(session, [a, b])
    return _overlap(pair)


@router.get("/segments:overlaps", dependencies=reads)
async def list_overlaps(
    session: Session, key: Annotated[list[Key], Query(min_length=2, max_length=10)]
) -> schemas.OverlapsAnswer:
    """How many customers each pair of several segments has in common."""
    pairs = await segment_sizes.compare_segments(session, key)
    return schemas.OverlapsAnswer(pairs=[_overlap(pair) for pair in pairs])


@router.post("/segments:preview")
async def preview_segment(
    body: schemas.PreviewQuery, request: Request, session: Session, clock: ClockDependency, principal: Reader
) -> schemas.PreviewAnswer:
    """How many customers fulfil a condition now: counted, or estimated in a moment."""
    _check_force(principal, is_forced=body.force)
    previewer: Previewer = resource(request, "previewer")
    found = await previewer.preview(session, body.condition, mode=body.mode, now=clock.now(), is_forced=body.force)
    return schemas.PreviewAnswer(
        count=found.count,
        low=found.low,
        high=found.high,
        total=found.total,
        share=found.count / found.total if found.total else 0.0,
        is_estimate=found.is_estimate,
        sample=found.sample,
    )


@router.get("/segments/{key}", dependencies=reads)
async def get_segment(key: Key, session: Session, sight: SightDependency, response: Response) -> schemas.SegmentAnswer:
    """One segment."""
    return _tagged(await segments.get_segment(session, key), response, sight)


@router.put("/segments/{key}", responses={201: {"model": schemas.SegmentAnswer}})
async def put_segment(
    key: Key,
    body: schemas.SegmentBody,
    session: Session,
    sight: SightDependency,
    clock: ClockDependency,
    response: Response,
    demanded: IfMatch,
    principal: Writer,
) -> schemas.SegmentAnswer:
    """Create or edit a segment. Memberships follow the published condition only; a static list counts at once."""
    row, is_new = await segments.put_segment(
        session,
        key,
        kind=body.kind,
        name=body.name,
        description=body.description,
        condition=body.condition,
        demanded_revision=demanded,
        published_by=principal.subject,
        now=clock.now(),
    )
    if row.kind == "static":  # it counts at once, without being published
        await note_publisher(session, row.segment_id, principal.department)
    response.status_code = 201 if is_new else 200
    return _tagged(row, response, sight)


@router.post("/segments/{key}:publish")
async def publish_segment(
    key: Key,
    request: Request,
    session: Session,
    sight: SightDependency,
    clock: ClockDependency,
    response: Response,
    principal: Writer,
    body: schemas.PublishBody | None = None,
) -> schemas.SegmentAnswer:
    """Make the edited condition count, live at once and for everybody by a backfill."""
    body = body or schemas.PublishBody()
    _check_force(principal, is_forced=body.force)
    previewer: Previewer = resource(request, "previewer")
    if not body.force:
        await previewer.check_cost_of(session, await segments.get_segment(session, key), now=clock.now())
    row = await segments.publish_segment(session, key, published_by=principal.subject, why=body.why, now=clock.now())
    await note_publisher(session, row.segment_id, principal.department)
    resource(request, "wake_backfill")(session)
    return _tagged(row, response, sight)


@router.get("/segments/{key}/versions", dependencies=reads)
async def list_versions(
    key: Key,
    session: Session,
    sight: SightDependency,
    first: Annotated[int, Query(ge=1, le=100)] = 20,
    after: Annotated[str | None, Query(max_length=500)] = None,
) -> schemas.VersionListAnswer:
    """What a segment meant when: condition, who published it, when and why; newest first."""
    before = min(max(decode_cursor(after, int)[0], 0), 2**31 - 1) if after is not None else None
    rows, has_more = await segments.list_versions(session, key, before=before, first=first)
    return schemas.VersionListAnswer(
        items=[_version(row, sight) for row in rows],
        next=encode_cursor(rows[-1].version) if has_more else None,
    )


def _version(row: VersionRow, sight: Sight) -> schemas.VersionAnswer:
    is_shown = sight.sees_condition(row.condition)
    return schemas.VersionAnswer(
        version=row.version,
        condition=row.condition if is_shown else None,
        published_at=row.published_at,
        published_by=row.published_by,
        why=row.why if is_shown else None,
        withheld=not is_shown,
    )


@router.post("/segments/{key}:restore")
async def restore_segment(
    key: Key,
    body: schemas.RestoreBody,
    request: Request,
    session: Session,
    sight: SightDependency,
    clock: ClockDependency,
    response: Response,
    principal: Writer,
) -> schemas.SegmentAnswer:
    """Publish an earlier version's condition again, as a new version."""
    row = await segments.restore_version(
        session, key, version=body.version, published_by=principal.subject, why=body.why, now=clock.now()
    )
    await note_publisher(session, row.segment_id, principal.department)
    resource(request, "wake_backfill")(session)
    return _tagged(row, response, sight)


@router.post("/segments/{key}:archive", dependencies=writes)
async def archive_segment(
    key: Key, request: Request, session: Session, sight: SightDependency, clock: ClockDependency, response: Response
) -> schemas.SegmentAnswer:
    """Take a segment out of use: its members exit. Refused while others refer to it."""
    row = await segments.archive_segment(session, key, now=clock.now())
    resource(request, "wake_backfill")(session)
    return _tagged(row, response, sight)


@router.post("/segments/{key}:unarchive", dependencies=writes)
async def unarchive_segment(
    key: Key, request: Request, session: Session, sight: SightDependency, clock: ClockDependency, response: Response
) -> schemas.SegmentAnswer:
    """Take an archived segment into use again."""
    row = await segments.unarchive_segment(session, key, now=clock.now())
    resource(request, "wake_backfill")(session)
    return _tagged(row, response, sight)


@router.post("/segments/{key}:addMembers")
async def add_members(
    key: Key, body: schemas.ListMembersBody, request: Request, session: Session, principal: Writer
) -> schemas.ListMembersAnswer:
    """Put customers on a static list; repeating it changes nothing."""
    results = await resource(request, "static_lists").add(session, key, body.customer_ids, added_by=principal.subject)
    return _outcomes(results)


@router.post("/segments/{key}:removeMembers", dependencies=writes)
async def remove_members(
    key: Key, body: schemas.ListMembersBody, request: Request, session: Session
) -> schemas.ListMembersAnswer:
    """Take customers off a static list; repeating it changes nothing."""
    return _outcomes(await resource(request, "static_lists").remove(session, key, body.customer_ids))


@router.get("/segments/{key}/days", dependencies=reads)
async def list_days(
    key: Key,
    session: Session,
    sight: SightDependency,
    clock: ClockDependency,
    settings: SettingsDependency,
    first_day: date | None = None,
    last_day: date | None = None,
) -> schemas.SegmentDaysAnswer:
    """A segment's size at the end of each day, who entered and exited; by default of the last 30 days."""
    today = clock.now().astimezone(ZoneInfo(settings.time_zone)).date()
    days = await segment_sizes.list_days(session, key, first=first_day, last=last_day, today=today)
    return schemas.SegmentDaysAnswer(days=[schemas.SegmentDayAnswer.model_validate(day) for day in days])


def _check_force(principal: Principal, *, is_forced: bool) -> None:
    if is_forced and SCAN not in principal.scopes:
        raise Forbidden(f"`force` needs the scope {SCAN}; the token does not carry it.")


def _outcomes(results: list[tuple[UUID, Outcome]]) -> schemas.ListMembersAnswer:
    return schemas.ListMembersAnswer(
        results=[schemas.ListOutcome.model_construct(customer_id=each, outcome=outcome) for each, outcome in results]
    )


def _overlap(pair: Overlap) -> schemas.OverlapAnswer:
    return schemas.OverlapAnswer(
        a=pair.first_key,
        b=pair.second_key,
        a_size=pair.first_size,
        b_size=pair.second_size,
        both=pair.both,
        only_a=pair.first_size - pair.both,
        only_b=pair.second_size - pair.both,
    )


def _tagged(row: SegmentRow, response: Response, sight: Sight) -> schemas.SegmentAnswer:
    etag(response, row.revision)
    return _segment(row, sight)


def _segment(row: SegmentRow, sight: Sight) -> schemas.SegmentAnswer:
    if row.archived_at is not None:
        status = "archived"
    else:
        status = "draft" if row.version == 0 else "backfilling" if row.is_backfilling else "published"
    is_shown = sight.sees_condition(row.condition)
    return schemas.SegmentAnswer(
        segment_id=row.segment_id,
        key=row.key,
        kind=row.kind,
        name=row.name,
        description=row.description,
        condition=row.condition if is_shown else None,
        status=status,
        is_edited=row.condition != row.published_condition,
        revision=row.revision,
        version=row.version,
        published_at=row.published_at,
        archived_at=row.archived_at,
        evaluated=row.evaluated,
        size=row.size,
        withheld=not is_shown,
    )
