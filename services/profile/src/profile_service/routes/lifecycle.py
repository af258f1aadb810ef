"""The lifecycle: HTTP only."""

from typing import Any

from fastapi import APIRouter, Request, Response

from profile_service.repository.library import CONDITION
from profile_service.routes.dependencies import reads, writes
from profile_service.rules.lifecycle import Lifecycle, lifecycle_conditions
from profile_service.service import lifecycle as service
from servicekit.http import Answer, ClockDependency, IfMatch, Session, TransactionalRoute, etag, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["values"])


class StateAnswer(Answer):
    """A state and its condition; the first that holds is the customer's."""

    key: str
    condition: dict[str, Any]


class LifecycleAnswer(Answer):
    """The lifecycle; version 0: the default, whose transitions are not published. `version` is the ETag."""

    definition: Lifecycle
    states: list[StateAnswer]
    version: int


@router.get("/lifecycle", dependencies=reads)
async def get_lifecycle(session: Session, response: Response) -> LifecycleAnswer:
    """The lifecycle and the conditions it comes to."""
    lifecycle, version = await service.get_lifecycle(session)
    return _lifecycle(lifecycle, version, response)


@router.put("/lifecycle", dependencies=writes, responses={201: {"model": LifecycleAnswer}})
async def put_lifecycle(
    body: Lifecycle, request: Request, session: Session, clock: ClockDependency, response: Response, demanded: IfMatch
) -> LifecycleAnswer:
    """Let this lifecycle hold. Everybody is evaluated anew; transitions are published from now on."""
    lifecycle, version, is_new = await service.put_lifecycle(session, body, demanded_version=demanded, now=clock.now())
    resource(request, "wake_backfill")(session)
    response.status_code = 201 if is_new else 200
    return _lifecycle(lifecycle, version, response)


def _lifecycle(lifecycle: Lifecycle, version: int, response: Response) -> LifecycleAnswer:
    etag(response, version)
    states = [
        StateAnswer(key=state, condition=CONDITION.dump_python(condition, mode="json"))
        for state, condition in lifecycle_conditions(lifecycle)
    ]
    return LifecycleAnswer(definition=lifecycle, states=states, version=version)
