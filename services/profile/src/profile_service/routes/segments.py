"""Segments: HTTP only."""

from fastapi import APIRouter, Request, Response

from profile_service.repository import definitions
from profile_service.repository.definitions import SegmentRow
from profile_service.routes.dependencies import reads, writes
from profile_service.schemas import segments as schemas
from profile_service.service import configuring, reading
from servicekit.http import ClockDependency, IfMatch, Key, Session, TransactionalRoute, etag, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["profile"])


@router.get("/segments", dependencies=reads)
async def list_segments(session: Session) -> schemas.SegmentListAnswer:
    """All segments by key."""
    return schemas.SegmentListAnswer(items=[_segment(row) for row in await definitions.list_segments(session)])


@router.get("/segments/{key}", dependencies=reads)
async def get_segment(key: Key, session: Session, response: Response) -> schemas.SegmentAnswer:
    """One segment."""
    return _tagged(await configuring.get_segment(session, key), response)


@router.put("/segments/{key}", dependencies=writes, responses={201: {"model": schemas.SegmentAnswer}})
async def put_segment(
    key: Key, body: schemas.SegmentBody, session: Session, response: Response, demanded: IfMatch
) -> schemas.SegmentAnswer:
    """Create or edit a segment. Memberships follow the published condition only."""
    row, is_new = await configuring.put_segment(
        session,
        key,
        name=body.name,
        description=body.description,
        condition=body.condition,
        demanded_revision=demanded,
    )
    response.status_code = 201 if is_new else 200
    return _tagged(row, response)


@router.post("/segments/{key}:publish", dependencies=writes)
async def publish_segment(
    key: Key, request: Request, session: Session, clock: ClockDependency, response: Response
) -> schemas.SegmentAnswer:
    """Make the edited condition count, live at once and for everybody by a backfill."""
    row = await configuring.publish_segment(session, key, now=clock.now())
    resource(request, "wake_backfill")(session)
    return _tagged(row, response)


@router.post("/segments:preview", dependencies=reads)
async def preview_segment(
    body: schemas.PreviewQuery, request: Request, session: Session, clock: ClockDependency
) -> schemas.PreviewAnswer:
    """How many customers fulfil a condition now."""
    count, total, sample = await reading.preview(
        session, body.condition, compiler=resource(request, "compiler"), now=clock.now()
    )
    return schemas.PreviewAnswer(count=count, total=total, sample=sample)


def _tagged(row: SegmentRow, response: Response) -> schemas.SegmentAnswer:
    etag(response, row.revision)
    return _segment(row)


def _segment(row: SegmentRow) -> schemas.SegmentAnswer:
    return schemas.SegmentAnswer(
        segment_id=row.segment_id,
        key=row.key,
        name=row.name,
        description=row.description,
        condition=row.condition,
        status="draft" if row.version == 0 else "backfilling" if row.is_backfilling else "published",
        is_edited=row.condition != row.published_condition,
        revision=row.revision,
        version=row.version,
        published_at=row.published_at,
        evaluated=row.evaluated,
        size=row.size,
    )
