"""Namespaces and their rules: one by one, all at once, by version, and what a change would do."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from identity_service.models import Namespace, RulesVersion
from identity_service.routes.dependencies import After, First, NewId
from identity_service.schemas.fields import NamespaceName
from identity_service.schemas.jobs import JobAccepted
from identity_service.schemas.rules import (
    AllRules,
    NamespaceAnswer,
    NamespaceBody,
    NamespaceList,
    RulesAnswer,
    RulesBody,
    RulesPage,
)
from identity_service.service import rules as service
from identity_service.service.rules import RulesChange
from servicekit.auth import Principal, require
from servicekit.http import ClockDependency, IfMatch, Session, TransactionalRoute, etag

READ = Depends(require("identity:read"))
Writer = Annotated[Principal, Depends(require("identity:write"))]

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["rules"])


@router.put("/namespaces/{name}", responses={201: {"model": NamespaceAnswer}})
async def put_namespace(
    name: NamespaceName,
    body: NamespaceBody,
    writer: Writer,
    response: Response,
    session: Session,
    clock: ClockDependency,
    version: IfMatch,
) -> NamespaceAnswer:
    """Set the rules of a kind of identifier; they hold for events resolved from now on."""
    change = RulesChange(writer.subject, body.why or f"Rules of {name}.", clock)
    namespace, is_new = await service.put_namespace(session, name, body, version=version, change=change)
    response.status_code = 201 if is_new else 200
    return _namespace_answer(namespace, response)


@router.get("/namespaces/{name}", dependencies=[READ])
async def get_namespace(name: NamespaceName, response: Response, session: Session) -> NamespaceAnswer:
    """Return one namespace's rules."""
    return _namespace_answer(await service.get_namespace(session, name), response)


@router.get("/namespaces", dependencies=[READ])
async def list_namespaces(session: Session) -> NamespaceList:
    """Return all configured namespaces, the strongest first."""
    return NamespaceList(items=[service.shown(one) for one in await service.list_namespaces(session)])


def _namespace_answer(namespace: Namespace, response: Response) -> NamespaceAnswer:
    etag(response, namespace.version)
    return service.shown(namespace)


@router.get("/rules", dependencies=[READ])
async def get_rules(response: Response, session: Session) -> RulesAnswer:
    """Return the rules in force, with who set them and why."""
    return _rules_answer(await service.get_rules(session), response)


@router.put("/rules")
async def put_rules(
    body: RulesBody,
    writer: Writer,
    response: Response,
    session: Session,
    clock: ClockDependency,
    version: IfMatch,
) -> RulesAnswer:
    """Replace all rules at once; they hold for events resolved from now on. Try them first with `rules:dryRun`."""
    change = RulesChange(writer.subject, body.why, clock)
    return _rules_answer(await service.put_rules(session, body, version=version, change=change), response)


@router.get("/rules/versions", dependencies=[READ])
async def list_versions(session: Session, first: First = 100, after: After = None) -> RulesPage:
    """Return the versions of the rules, the newest first."""
    return RulesPage.model_validate(await service.list_versions(session, first=first, after=after))


@router.post("/rules:dryRun", status_code=202)
async def dry_run(
    body: AllRules, writer: Writer, session: Session, clock: ClockDependency, new_id: NewId
) -> JobAccepted:
    """Say over what is stored which customers these rules would merge and which they would hold apart.

    Nothing changes. The job's result has `customers_before`, `customers_after`, `merges_count`, `splits_count`, and of
    both at most 100: `merges` (`customer_ids`, `through`, `rule`) and `splits` (`customer_id`, `parts` of anchors).
    """
    job_id = await service.ask_for_dry_run(session, body, by=writer.subject, clock=clock, new_id=new_id)
    return JobAccepted(job_id=job_id)


def _rules_answer(version: RulesVersion, response: Response) -> RulesAnswer:
    etag(response, version.version)
    return RulesAnswer.model_validate(version)
