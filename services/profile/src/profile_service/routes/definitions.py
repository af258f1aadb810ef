"""What routes share of what is edited, published, versioned and archived: segments, signs; versions also the policy."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Protocol

from fastapi import Depends, Query, Request, Response

from profile_service.routes.dependencies import SightDependency
from profile_service.service.previewing import Previewer
from servicekit.auth import Principal, require
from servicekit.cursors import decode_cursor
from servicekit.errors import Forbidden
from servicekit.http import ClockDependency, Session, etag, resource

Writer = Annotated[Principal, Depends(require("profile:write"))]
SCAN = "profile:scan"
"""The scope of those who may have everybody read, however long it takes."""


class Published(Protocol):
    """A definition as configured: how often it was published, and whether everybody is being looked at for it."""

    @property
    def version(self) -> int: ...
    @property
    def archived_at(self) -> datetime | None: ...
    @property
    def is_backfilling(self) -> bool: ...


def status_of(row: Published) -> Literal["draft", "backfilling", "published", "archived"]:
    """Where a definition stands."""
    if row.archived_at is not None:
        return "archived"
    return "draft" if row.version == 0 else "backfilling" if row.is_backfilling else "published"


def check_force(principal: Principal, *, is_forced: bool) -> None:
    """Refuse to have everybody read although it costs more than is allowed.

    Raises:
        Forbidden: the token does not carry the scope.
    """
    if is_forced and SCAN not in principal.scopes:
        raise Forbidden(f"`force` needs the scope {SCAN}; the token does not carry it.")


def previewer_of(request: Request) -> Previewer:
    """Counts, and estimates what counting costs."""
    previewer = resource(request, "previewer")
    assert isinstance(previewer, Previewer)
    return previewer


@dataclass(frozen=True)
class Change:
    """What a route asks for that changes a definition: who changes it, what they may see, and the answer to come."""

    request: Request
    session: Session
    sight: SightDependency
    clock: ClockDependency
    response: Response
    principal: Writer

    @property
    def now(self) -> datetime:
        """The moment of the change."""
        return self.clock.now()

    def wake_backfill(self) -> None:
        """Look at everybody as soon as this transaction is committed."""
        resource(self.request, "wake_backfill")(self.session)

    def tag(self, revision: int, *, is_new: bool = False) -> None:
        """Say which revision is answered, and whether it is the first."""
        etag(self.response, revision)
        if is_new:
            self.response.status_code = 201


ChangeDependency = Annotated[Change, Depends()]


def _before_version(after: Annotated[str | None, Query(max_length=500)] = None) -> int | None:
    """The version already seen, as a cursor says it."""
    return min(max(decode_cursor(after, int)[0], 0), 2**31 - 1) if after is not None else None


BeforeVersion = Annotated[int | None, Depends(_before_version)]
VersionsAtOnce = Annotated[int, Query(ge=1, le=100)]
