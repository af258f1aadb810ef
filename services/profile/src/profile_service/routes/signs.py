"""Signs of a changing situation: HTTP only."""

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from contracts.conditions import EventMatch
from profile_service.repository.signs import SignRow, SignVersionRow
from profile_service.routes.definitions import (
    BeforeVersion,
    Change,
    ChangeDependency,
    VersionsAtOnce,
    check_force,
    previewer_of,
    status_of,
)
from profile_service.routes.dependencies import SightDependency, reads
from profile_service.schemas import signs as schemas
from profile_service.service import outcomes, signs
from profile_service.service.outcomes import Outcome
from profile_service.service.policy import Sight
from servicekit.cursors import decode_cursor, encode_cursor
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

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["signs"])


@router.get("/signs", dependencies=reads)
async def list_signs(session: Session, sight: SightDependency) -> schemas.SignListAnswer:
    """All signs by key."""
    rows = await signs.list_signs(session)
    return schemas.SignListAnswer(items=[_sign(row, sight) for row in rows], withheld=not sight.is_whole)


@router.get("/signs:coverage", dependencies=reads)
async def get_coverage(session: Session, sight: SightDependency) -> schemas.SignCoverageAnswer:
    """How much of the base is in a situation now: shows any sign, and which."""
    coverage, in_use = await signs.get_coverage(session)
    total = coverage.customers
    shares = [(sign, coverage.by_sign.get(sign.sign_id, 0)) for sign in in_use]
    return schemas.SignCoverageAnswer(
        customers=total,
        in_a_situation=coverage.showing if sight.is_whole else None,
        share=(coverage.showing / total if total else 0.0) if sight.is_whole else None,
        withheld=not sight.is_whole,
        signs=[
            schemas.SignShareAnswer(
                key=sign.key,
                name=sign.name,
                strength=sign.strength,
                customers=count,
                share=count / total if total else 0.0,
            )
            for sign, count in shares
        ],
    )


@router.get("/signs/{key}", dependencies=reads)
async def get_sign(key: Key, session: Session, sight: SightDependency, response: Response) -> schemas.SignAnswer:
    """One sign."""
    row = await signs.get_sign(session, key)
    etag(response, row.revision)
    return _sign(row, sight)


@router.put("/signs/{key}", responses={201: {"model": schemas.SignAnswer}})
async def put_sign(key: Key, body: schemas.SignBody, change: ChangeDependency, demanded: IfMatch) -> schemas.SignAnswer:
    """Create or edit a sign. It is detected once it is published."""
    row, is_new = await signs.put_sign(
        change.session,
        key,
        name=body.name,
        meaning=body.meaning,
        condition=body.condition,
        strength=body.strength,
        lifetime_days=body.lifetime_days,
        outcome=_outcome(body.outcome),
        demanded_revision=demanded,
    )
    return _changed(row, change, is_new=is_new)


@router.post("/signs/{key}:publish")
async def publish_sign(
    key: Key, change: ChangeDependency, demanded: IfMatch, body: schemas.PublishSignBody | None = None
) -> schemas.SignAnswer:
    """Detect the sign as it is edited, live at once and in everybody by a backfill. `If-Match`: only this edit."""
    body, session, writer = body or schemas.PublishSignBody(), change.session, change.principal
    check_force(writer, is_forced=body.force)
    if not body.force:
        sign = await signs.get_sign(session, key)
        check_version(sign.revision, demanded)  # here already: what somebody else's edit costs is not the question
        await previewer_of(change.request).check_cost_of_condition(session, sign.edited["condition"], now=change.now)
    row = await signs.publish_sign(
        session, key, demanded_revision=demanded, published_by=writer.subject, why=body.why, now=change.now
    )
    change.wake_backfill()
    return _changed(row, change)


@router.post("/signs/{key}:archive")
async def archive_sign(key: Key, change: ChangeDependency) -> schemas.SignAnswer:
    """Take a sign out of use: it expires in everybody who shows it. Refused while others refer to it."""
    row = await signs.archive_sign(change.session, key, now=change.now)
    change.wake_backfill()
    return _changed(row, change)


@router.post("/signs/{key}:unarchive")
async def unarchive_sign(key: Key, change: ChangeDependency) -> schemas.SignAnswer:
    """Take an archived sign into use again."""
    row = await signs.unarchive_sign(change.session, key, now=change.now)
    change.wake_backfill()
    return _changed(row, change)


@router.get("/signs/{key}/versions", dependencies=reads)
async def list_versions(
    key: Key,
    session: Session,
    sight: SightDependency,
    before: BeforeVersion,
    first: VersionsAtOnce = 20,
) -> schemas.SignVersionListAnswer:
    """What a sign was when: condition, strength, lifetime, outcome, who published it, when and why; newest first."""
    rows, has_more = await signs.list_versions(session, key, before=before, first=first)
    return schemas.SignVersionListAnswer(
        items=[_version(row, sight) for row in rows],
        next=encode_cursor(rows[-1].version) if has_more else None,
    )


def _version(row: SignVersionRow, sight: Sight) -> schemas.SignVersionAnswer:
    is_shown = _shows(row.definition, sight)
    return schemas.SignVersionAnswer(
        version=row.version,
        condition=row.definition["condition"] if is_shown else None,
        withheld=not is_shown,
        strength=row.definition["strength"],
        lifetime_days=row.definition["lifetime_days"],
        outcome=row.definition["outcome"] if is_shown else None,
        published_at=row.published_at,
        published_by=row.published_by,
        why=row.why if is_shown else None,
    )


@router.get("/signs/{key}/customers", dependencies=reads)
async def list_showing(
    key: Key,
    session: Session,
    first: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Annotated[str | None, Query(max_length=500)] = None,
) -> schemas.ShowingListAnswer:
    """Customers who show the sign now, in a stable order."""
    last_seen = decode_cursor(after, UUID)[0] if after is not None else None
    rows, has_more = await signs.list_showing(session, key, after=last_seen, first=first)
    return schemas.ShowingListAnswer(
        items=[schemas.ShowingAnswer.model_validate(row) for row in rows],
        next=encode_cursor(rows[-1].customer_id) if has_more else None,
    )


@router.get("/signs/{key}/precision", dependencies=reads)
async def get_precision(
    key: Key,
    request: Request,
    session: Session,
    sight: SightDependency,
    clock: ClockDependency,
    first_day: date | None = None,
    last_day: date | None = None,
    version: Annotated[int | None, Query(ge=1, le=2**31 - 1)] = None,
) -> schemas.PrecisionAnswer:
    """How many detections were followed by the outcome, against how often it follows without the sign."""
    found = await outcomes.get_precision(
        session,
        await signs.get_sign(session, key),
        first_day=first_day,
        last_day=last_day,
        version=version,
        compiler=resource(request, "compiler"),
        now=clock.now(),
    )
    return schemas.PrecisionAnswer(
        key=key,
        first_day=found.first_day,
        last_day=found.last_day,
        detected=found.detected,
        followed=found.followed,
        rate=found.rate,
        base_rate=found.base_rate,
        lift=found.lift,
    )


def _changed(row: SignRow, change: Change, *, is_new: bool = False) -> schemas.SignAnswer:
    change.tag(row.revision, is_new=is_new)
    return _sign(row, change.sight)


def _shows(definition: dict[str, Any], sight: Sight) -> bool:
    outcome = definition["outcome"]
    return sight.sees_condition(definition["condition"]) and (
        outcome is None or Outcome.from_json(outcome).is_visible(sight)
    )


def _outcome(body: schemas.OutcomeBody | None) -> Outcome | None:
    if body is None:
        return None
    events = body.any_of or ([] if body.event is None else [EventMatch(event=body.event, where=body.where)])
    return Outcome(body.within_days, tuple(events), body.sign)


def _sign(row: SignRow, sight: Sight) -> schemas.SignAnswer:
    is_shown = _shows(row.edited, sight)
    return schemas.SignAnswer(
        sign_id=row.sign_id,
        key=row.key,
        name=row.name,
        meaning=row.meaning,
        condition=row.edited["condition"] if is_shown else None,
        strength=row.edited["strength"],
        lifetime_days=row.edited["lifetime_days"],
        outcome=row.edited["outcome"] if is_shown else None,
        withheld=not is_shown,
        status=status_of(row),
        is_edited=row.edited != row.published,
        revision=row.revision,
        version=row.version,
        published_at=row.published_at,
        archived_at=row.archived_at,
    )
