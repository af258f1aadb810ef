"""What every route of profile asks for."""

from typing import Annotated

from fastapi import Depends, Request

from profile_service.settings import Settings
from servicekit.auth import require

reads = [Depends(require("profile:read"))]
writes = [Depends(require("profile:write"))]


def _settings(request: Request) -> Settings:
    settings = request.app.state.service.settings
    assert isinstance(settings, Settings)
    return settings


SettingsDependency = Annotated[Settings, Depends(_settings)]
