"""What every route of profile asks for."""

from typing import Annotated

from fastapi import Depends, Header, Request

from profile_service.rules.policy import Caller
from profile_service.service.policy import PolicyKeeper, Sight
from profile_service.settings import Settings
from servicekit.auth import Principal, require
from servicekit.database import Database
from servicekit.errors import Forbidden
from servicekit.http import Key, Session, resource

reads = [Depends(require("profile:read"))]
writes = [Depends(require("profile:write"))]


def _settings(request: Request) -> Settings:
    settings = request.app.state.service.settings
    assert isinstance(settings, Settings)
    return settings


SettingsDependency = Annotated[Settings, Depends(_settings)]


def _database(request: Request) -> Database:
    database = request.app.state.service.database
    assert isinstance(database, Database)
    return database


DatabaseDependency = Annotated[Database, Depends(_database)]

Purpose = Annotated[Key | None, Header(alias="Kizuna-Purpose", description="What it is read for, as the policy knows.")]


async def look(request: Request, session: Session, purpose: Purpose = None) -> Sight:
    """Find out what the caller may see, before anything is read; every router of profile depends on it.

    Raises:
        Forbidden: the token does not allow that purpose.
    """
    principal: Principal | None = request.scope.get("principal")
    if principal is None:
        return await _keeper(request).look(session, Caller())
    if principal.purposes and purpose not in {None, *principal.purposes}:
        raise Forbidden("The token does not allow this purpose.", field="Kizuna-Purpose")
    caller = Caller(
        department=principal.department,
        purpose=purpose,
        brands=principal.brands,
        legal_entity=principal.legal_entity,
        service=principal.service,
        allowed_purposes=principal.purposes,
    )
    return await _keeper(request).look(session, caller)


def _keeper(request: Request) -> PolicyKeeper:
    keeper = resource(request, "policy")
    assert isinstance(keeper, PolicyKeeper)
    return keeper


SightDependency = Annotated[Sight, Depends(look)]
KeeperDependency = Annotated[PolicyKeeper, Depends(_keeper)]
