"""What several routes are given."""

from collections.abc import Callable
from typing import Annotated, cast
from uuid import UUID

from fastapi import Depends, Query, Request

from servicekit.http import resource

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
