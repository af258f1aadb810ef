"""The policy: HTTP only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from profile_service.repository import policy as stored
from profile_service.repository.policy import PolicyRow
from profile_service.routes.definitions import BeforeVersion, VersionsAtOnce
from profile_service.routes.dependencies import KeeperDependency
from profile_service.rules.policy import EVERYBODY_READS_ALL, Caller, Origin, PolicyDocument
from profile_service.schemas import policy as schemas
from profile_service.service import policy
from servicekit.auth import Principal, require
from servicekit.cursors import encode_cursor
from servicekit.http import ClockDependency, IfMatch, Session, TransactionalRoute, etag

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["policy"])

reads = [Depends(require("policy:read"))]
Writer = Annotated[Principal, Depends(require("policy:write"))]


@router.get("/policy", dependencies=reads)
async def get_policy(session: Session, response: Response) -> schemas.PolicyAnswer:
    """Who may read what, as it holds now."""
    version = await stored.present_version(session)
    etag(response, version)
    return _policy(await stored.get_version(session, version))


@router.put("/policy", responses={201: {"model": schemas.PolicyAnswer}})
async def put_policy(
    body: schemas.PolicyBody,
    session: Session,
    clock: ClockDependency,
    response: Response,
    demanded: IfMatch,
    writer: Writer,
) -> schemas.PolicyAnswer:
    """Say anew who may read what, and why. It holds from the next request on."""
    row, is_first = await policy.put_policy(
        session,
        body.document,
        why=body.why,
        changed_by=f"{writer.issuer}/{writer.subject}",
        demanded_version=demanded,
        now=clock.now(),
    )
    response.status_code = 201 if is_first else 200
    etag(response, row.version)
    return _policy(row)


@router.get("/policy/versions", dependencies=reads)
async def list_policy_versions(
    session: Session, before: BeforeVersion, first: VersionsAtOnce = 20
) -> schemas.PolicyVersionsAnswer:
    """What held when, who changed it and why; newest first."""
    rows = await stored.list_versions(session, before=before, limit=first + 1)
    return schemas.PolicyVersionsAnswer(
        items=[_policy(row) for row in rows[:first]],
        next=encode_cursor(rows[first - 1].version) if len(rows) > first else None,
    )


@router.post("/policy:explain", dependencies=reads)
async def explain_policy(
    body: schemas.ExplainQuery, session: Session, keeper: KeeperDependency
) -> schemas.ExplainAnswer:
    """Whether somebody may read something, and the rule that decides; by another policy as a dry run."""
    document, version = await keeper.present(session)
    caller = Caller(
        department=body.department,
        purpose=body.purpose,
        brands=tuple(body.brands),
        legal_entity=body.legal_entity,
        service=body.service,
    )
    sight = await keeper.sight(session, body.policy or document, caller)
    found = policy.explain(sight, body.kind, body.name, Origin(**body.origin.model_dump()))
    return schemas.ExplainAnswer(
        effect=found.effect,
        because=found.because,
        position=found.decision.position,
        rule=found.decision.rule,
        version=None if body.policy is not None else version,
    )


def _policy(row: PolicyRow | None) -> schemas.PolicyAnswer:
    document = EVERYBODY_READS_ALL if row is None else PolicyDocument.model_validate(row.document)
    return schemas.PolicyAnswer(
        version=0 if row is None else row.version,
        default=document.default,
        rules=document.rules,
        changed_at=None if row is None else row.changed_at,
        changed_by=None if row is None else row.changed_by,
        why=None if row is None else row.why,
    )
