"""Templates and topics."""

from dataclasses import asdict

from fastapi import APIRouter, Depends, Request, Response

from delivery_service.repository import configuration as repository
from delivery_service.repository.configuration import TemplateRow, TopicRow
from delivery_service.schemas import TemplateAnswer, TemplateBody, TemplateList, TopicAnswer, TopicBody, TopicList
from delivery_service.service import configuration
from servicekit.auth import require
from servicekit.errors import NotFound
from servicekit.http import ClockDependency, IfMatch, Key, Session, TransactionalRoute, etag, resource

router = APIRouter(prefix="/v1", tags=["configuration"], route_class=TransactionalRoute)

READ = Depends(require("delivery:read"))
WRITE = Depends(require("delivery:write"))


def _topic(row: TopicRow) -> TopicAnswer:
    cap = {"messages": row.cap_messages, "days": row.cap_days} if row.cap_messages is not None else None
    return TopicAnswer.model_validate(asdict(row) | {"cap": cap})


def _template(row: TemplateRow) -> TemplateAnswer:
    return TemplateAnswer(key=row.key, version=row.version, updated_at=row.updated_at, **row.definition)


@router.put("/topics/{key}", dependencies=[WRITE], responses={201: {"model": TopicAnswer}})
async def put_topic(
    key: Key, body: TopicBody, session: Session, clock: ClockDependency, response: Response, if_match: IfMatch
) -> TopicAnswer:
    """Create or change a topic."""
    row, created = await configuration.put_topic(session, key, body, if_match=if_match, now=clock.now())
    response.status_code = 201 if created else 200
    etag(response, row.version)
    return _topic(row)


@router.get("/topics", dependencies=[READ])
async def list_topics(session: Session) -> TopicList:
    """List all topics."""
    return TopicList(items=[_topic(row) for row in await repository.find_topics(session)])


@router.get("/topics/{key}", dependencies=[READ])
async def get_topic(key: Key, session: Session, response: Response) -> TopicAnswer:
    """Read a topic."""
    found = await repository.find_topics(session, [key])
    if not found:
        raise NotFound("There is no topic with this key.")
    etag(response, found[0].version)
    return _topic(found[0])


@router.put("/templates/{key}", dependencies=[WRITE], responses={201: {"model": TemplateAnswer}})
async def put_template(
    request: Request,
    key: Key,
    body: TemplateBody,
    session: Session,
    clock: ClockDependency,
    response: Response,
    if_match: IfMatch,
) -> TemplateAnswer:
    """Create a template or a new version of it; mails sent before keep leading where their version said."""
    row, created = await configuration.put_template(
        session, key, body, compiler=resource(request, "compiler"), if_match=if_match, now=clock.now()
    )
    response.status_code = 201 if created else 200
    etag(response, row.version)
    return _template(row)


@router.get("/templates", dependencies=[READ])
async def list_templates(session: Session) -> TemplateList:
    """List all templates in their present versions."""
    return TemplateList(items=[_template(row) for row in await repository.find_templates(session)])


@router.get("/templates/{key}", dependencies=[READ])
async def get_template(key: Key, session: Session, response: Response) -> TemplateAnswer:
    """Read a template's present version."""
    found = await repository.find_templates(session, [key])
    if not found:
        raise NotFound("There is no template with this key.")
    etag(response, found[0].version)
    return _template(found[0])
