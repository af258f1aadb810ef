"""Segments: HTTP only."""

from datetime import date
from typing import Annotated
from uuid import UUID
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, Query, Request, Response

from profile_service.repository.circulation import note_publisher
from profile_service.repository.segments import SegmentRow, VersionRow
from profile_service.routes.definitions import (
    BeforeVersion,
    Change,
    ChangeDependency,
    VersionsAtOnce,
    Writer,
    check_force,
    previewer_of,
    status_of,
)
from profile_service.routes.dependencies import SettingsDependency, SightDependency, reads, writes
from profile_service.schemas import segments as schemas
from profile_service.service import segment_sizes, segments
from profile_service.service.policy import Sight
from profile_service.service.segment_sizes import Overlap
from profile_service.service.static_lists import Outcome
from servicekit.auth import Principal, require
from servicekit.cursors import encode_cursor
from servicekit.http import (
    ClockDependency,
    IfMatch,
    Key,
    Session,
    TransactionalRoute,
    check_version,
    etag,
    resource,
)

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["segments"])

Reader = Annotated[Principal, Depends(require("profile:read"))]


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
    check_force(principal, is_forced=body.force)
    found = await previewer_of(request).preview(
        session, body.condition, mode=body.mode, now=clock.now(), is_forced=body.force
    )
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
    row = await segments.get_segment(session, key)
    etag(response, row.revision)
    return _segment(row, sight)


@router.put("/segments/{key}", responses={201: {"model": schemas.SegmentAnswer}})
async def put_segment(
    key: Key, body: schemas.SegmentBody, change: ChangeDependency, demanded: IfMatch
) -> schemas.SegmentAnswer:
    """Create or edit a segment. Memberships follow the published condition only; a static list counts at once."""
    row, is_new = await segments.put_segment(
        change.session,
        key,
        kind=body.kind,
        name=body.name,
        description=body.description,
        condition=body.condition,
        demanded_revision=demanded,
        published_by=change.principal.subject,
        now=change.now,
    )
    if row.kind == "static":  # it counts at once, without being published
        await note_publisher(change.session, row.segment_id, change.principal.department)
    return _changed(row, change, is_new=is_new)


@router.post("/segments/{key}:publish")
async def publish_segment(
    key: Key, change: ChangeDependency, demanded: IfMatch, body: schemas.PublishBody | None = None
) -> schemas.SegmentAnswer:
    """Make the edited condition count, live at once and for everybody by a backfill. `If-Match`: only this edit."""
    body, session, writer = body or schemas.PublishBody(), change.session, change.principal
    check_force(writer, is_forced=body.force)
    if not body.force:
        segment = await segments.get_segment(session, key)
        check_version(segment.revision, demanded)  # here already: what somebody else's edit costs is not the question
        await previewer_of(change.request).check_cost_of(session, segment, now=change.now)
    row = await segments.publish_segment(
        session, key, demanded_revision=demanded, published_by=writer.subject, why=body.why, now=change.now
    )
    await note_publisher(session, row.segment_id, writer.department)
    change.wake_backfill()
    return _changed(row, change)


@router.get("/segments/{key}/versions", dependencies=reads)
async def list_versions(
    key: Key,
    session: Session,
    sight: SightDependency,
    before: BeforeVersion,
    first: VersionsAtOnce = 20,
) -> schemas.VersionListAnswer:
    """What a segment meant when: condition, who published it, when and why; newest first."""
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
    key: Key, body: schemas.RestoreBody, change: ChangeDependency, demanded: IfMatch
) -> schemas.SegmentAnswer:
    """Publish an earlier version's condition again, as a new version. `If-Match`: unless it was edited meanwhile."""
    session, writer = change.session, change.principal
    check_force(writer, is_forced=body.force)
    if not body.force:
        segment = await segments.get_segment(session, key)
        check_version(segment.revision, demanded)
        await previewer_of(change.request).check_cost_of_version(session, segment, body.version, now=change.now)
    row = await segments.restore_version(
        session,
        key,
        version=body.version,
        demanded_revision=demanded,
        published_by=writer.subject,
        why=body.why,
        now=change.now,
    )
    await note_publisher(session, row.segment_id, writer.department)
    change.wake_backfill()
    return _changed(row, change)


@router.post("/segments/{key}:archive")
async def archive_segment(key: Key, change: ChangeDependency) -> schemas.SegmentAnswer:
    """Take a segment out of use: its members exit. Refused while others refer to it."""
    row = await segments.archive_segment(change.session, key, now=change.now)
    change.wake_backfill()
    return _changed(row, change)


@router.post("/segments/{key}:unarchive")
async def unarchive_segment(key: Key, change: ChangeDependency) -> schemas.SegmentAnswer:
    """Take an archived segment into use again."""
    row = await segments.unarchive_segment(change.session, key, now=change.now)
    change.wake_backfill()
    return _changed(row, change)


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
    zone = ZoneInfo(settings.time_zone)
    today = clock.now().astimezone(zone).date()
    days = await segment_sizes.list_days(session, key, first=first_day, last=last_day, today=today, zone=zone)
    return schemas.SegmentDaysAnswer(days=[schemas.SegmentDayAnswer.model_validate(day) for day in days])


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


def _changed(row: SegmentRow, change: Change, *, is_new: bool = False) -> schemas.SegmentAnswer:
    change.tag(row.revision, is_new=is_new)
    return _segment(row, change.sight)


def _segment(row: SegmentRow, sight: Sight) -> schemas.SegmentAnswer:
    is_shown = sight.sees_condition(row.condition)
    return schemas.SegmentAnswer(
        segment_id=row.segment_id,
        key=row.key,
        kind=row.kind,
        name=row.name,
        description=row.description,
        condition=row.condition if is_shown else None,
        status=status_of(row),
        is_edited=row.condition != row.published_condition,
        revision=row.revision,
        version=row.version,
        published_at=row.published_at,
        archived_at=row.archived_at,
        evaluated=row.evaluated,
        size=row.size,
        withheld=not is_shown,
    )
