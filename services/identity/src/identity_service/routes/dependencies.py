"""What several routes are given."""

from collections.abc import Callable
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Query, Request

from identity_service.service.decisions import Decider
from servicekit.auth import Principal, require
from servicekit.http import ClockDependency, resource

First = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[str | None, Query(max_length=500)]


def _new_id(request: Request) -> Callable[[], UUID]:
    return cast("Callable[[], UUID]", resource(request, "new_id"))


def _partitions(request: Request) -> int:
    return cast(int, request.app.state.service.settings.partitions)


NewId = Annotated[Callable[[], UUID], Depends(_new_id)]
"""Makes ids that sort by age."""

Partitions = Annotated[int, Depends(_partitions)]
"""Into how many partitions facts go."""


def _decider(
    principal: Annotated[Principal, Depends(require("identity:decide"))],
    clock: ClockDependency,
    new_id: NewId,
    partitions: Partitions,
) -> Decider:
    return Decider(principal.subject, clock, new_id, partitions)


DecidedBy = Annotated[Decider, Depends(_decider)]
"""Who decides, with identity:decide, and with what."""
