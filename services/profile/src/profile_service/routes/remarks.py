"""Remarks and their topics: HTTP only."""

from collections.abc import Mapping
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from profile_service.repository.remarks import StoredRemark, TopicRow
from profile_service.routes.dependencies import SettingsDependency, reads, writes
from profile_service.schemas import remarks as schemas
from profile_service.service import remarks
from profile_service.service.policy import sight_of
from servicekit.http import ClockDependency, IfMatch, Key, Session, TransactionalRoute, etag, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["remarks"])


@router.get("/remark-topics", dependencies=reads)
async def list_topics(session: Session) -> schemas.TopicListAnswer:
    """All topics by key."""
    topics, is_reading = await remarks.list_topics(session)
    return schemas.TopicListAnswer(
        items=[schemas.TopicAnswer.model_validate(topic) for topic in topics], is_reading=is_reading
    )


@router.get("/remark-topics/{key}", dependencies=reads)
async def get_topic(key: Key, session: Session, response: Response) -> schemas.TopicAnswer:
    """One topic."""
    topic = await remarks.get_topic(session, key)
    etag(response, topic.revision)
    return schemas.TopicAnswer.model_validate(topic)


@router.put("/remark-topics/{key}", dependencies=writes, responses={201: {"model": schemas.TopicAnswer}})
async def put_topic(
    key: Key,
    body: schemas.TopicBody,
    request: Request,
    session: Session,
    clock: ClockDependency,
    response: Response,
    demanded: IfMatch,
) -> schemas.TopicAnswer:
    """Create or edit a topic; all remarks are read anew by it."""
    topic, is_new = await remarks.put_topic(
        session,
        key,
        name=body.name,
        kind=body.kind,
        keywords=body.keywords,
        exclude=body.exclude,
        demanded_revision=demanded,
        now=clock.now(),
    )
    resource(request, "wake_remark_work")(session)
    response.status_code = 201 if is_new else 200
    etag(response, topic.revision)
    return schemas.TopicAnswer.model_validate(topic)


@router.delete("/remark-topics/{key}", dependencies=writes, status_code=204)
async def delete_topic(key: Key, request: Request, session: Session, clock: ClockDependency) -> None:
    """Remove a topic, also from the remarks that were about it."""
    await remarks.delete_topic(session, key, now=clock.now())
    resource(request, "wake_remark_work")(session)


@router.get("/remark-topics/{key}/days", dependencies=reads)
async def list_topic_days(
    key: Key,
    session: Session,
    clock: ClockDependency,
    settings: SettingsDependency,
    first_day: date | None = None,
    last_day: date | None = None,
) -> schemas.TopicDaysAnswer:
    """How often a topic was spoken of on each day; by default of the last 30 days."""
    days = await remarks.list_topic_days(
        session, key, first_day=first_day, last_day=last_day, zone=ZoneInfo(settings.time_zone), now=clock.now()
    )
    return schemas.TopicDaysAnswer(days=[schemas.TopicDayAnswer.model_validate(day) for day in days])


@router.get("/remark-opinions/{opinion}", dependencies=reads)
async def get_opinion(opinion: schemas.OpinionName, session: Session, response: Response) -> schemas.OpinionAnswer:
    """The words of an opinion."""
    found = await remarks.get_opinion(session, opinion)
    etag(response, found.revision)
    return schemas.OpinionAnswer.model_validate(found)


@router.put("/remark-opinions/{opinion}", dependencies=writes, responses={201: {"model": schemas.OpinionAnswer}})
async def put_opinion(
    opinion: schemas.OpinionName,
    body: schemas.OpinionBody,
    request: Request,
    session: Session,
    clock: ClockDependency,
    response: Response,
    demanded: IfMatch,
) -> schemas.OpinionAnswer:
    """Say the words of an opinion; all remarks are read anew by them."""
    found, is_new = await remarks.put_opinion(session, opinion, body.words, demanded_revision=demanded, now=clock.now())
    resource(request, "wake_remark_work")(session)
    response.status_code = 201 if is_new else 200
    etag(response, found.revision)
    return schemas.OpinionAnswer.model_validate(found)


@router.post("/remarks:batchGet", dependencies=reads)
async def get_remarks(body: schemas.RemarksQuery, session: Session) -> schemas.RemarksAnswer:
    """The newest remarks of many customers, on our and competing products."""
    found, topics = await remarks.remarks_of(
        session, body.customer_ids, topics=body.topics, kinds=body.kinds, first=body.first
    )
    return schemas.RemarksAnswer(
        customers=[
            schemas.RemarksOfCustomerAnswer(customer_id=each, remarks=[_remark(remark, topics) for remark in own])
            for each, own in zip(body.customer_ids, found, strict=True)
        ],
        withheld=sight_of(session).restricts("event"),
    )


def _remark(remark: StoredRemark, topics: Mapping[str, TopicRow]) -> schemas.RemarkAnswer:
    properties = remark.properties
    named = [topics[key] for key in properties.get("topics", ()) if key in topics]
    return schemas.RemarkAnswer(
        event_id=remark.event_id,
        occurred_at=remark.occurred_at,
        source_id=remark.source_id,
        text=_text(properties, "text"),
        url=_text(properties, "url"),
        language=_text(properties, "language"),
        site=_text(properties, "site"),
        topics=[schemas.TopicOfRemarkAnswer.model_validate(topic) for topic in named],
        opinion=properties.get("opinion", "neutral"),
    )


def _text(properties: Mapping[str, Any], name: str) -> str | None:  # free JSON by the Segment specification
    value = properties.get(name)
    return value if isinstance(value, str) else None
