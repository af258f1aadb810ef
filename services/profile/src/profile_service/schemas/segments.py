"""Segments as they are written and read."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from contracts.conditions import Condition
from profile_service.schemas.fields import Description, Title, Withheld
from servicekit.http import Answer, Body

Why = Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[^\x00]*$")]


class SegmentBody(Body):
    """A segment's name and condition; a static list (`kind` static) has none, its members are put on it."""

    kind: Literal["dynamic", "static"] = "dynamic"
    name: Title
    description: Description | None = None
    condition: Condition | None = None


class PublishBody(Body):
    """Why it is published; `force` although it reads more than is allowed (scope `profile:scan`)."""

    why: Why | None = None
    force: bool = False


class RestoreBody(PublishBody):
    """Which version is to count again, and why; `force` as of what is published."""

    version: Annotated[int, Field(ge=1, le=2**31 - 1)]


class SegmentAnswer(Answer):
    """A segment as configured.

    `revision` counts edits (ETag), `version` publications. `draft` was never published; `backfilling` is being
    evaluated for everybody (`evaluated` customers so far) while new events count at once; `archived` counts no more.
    """

    segment_id: UUID
    key: str
    kind: Literal["dynamic", "static"]
    name: str
    description: str | None
    condition: dict[str, Any] | None
    """Null where it is withheld: it asks for what the reader may not see."""
    withheld: bool
    status: Literal["draft", "backfilling", "published", "archived"]
    is_edited: bool
    """The condition differs from the published one."""
    revision: int
    version: int
    published_at: datetime | None
    archived_at: datetime | None
    evaluated: int
    size: int


class SegmentListAnswer(Answer):
    """All segments by key."""

    items: list[SegmentAnswer]
    withheld: Withheld


class VersionAnswer(Answer):
    """What a segment meant from a publication on; `published_by` is null where it was not noted."""

    version: int
    condition: dict[str, Any] | None
    """Null, with `why`, where it is withheld."""
    withheld: bool
    published_at: datetime
    published_by: str | None
    why: str | None


class VersionListAnswer(Answer):
    """Newest first; `next` is the cursor to pass as `after`."""

    items: list[VersionAnswer]
    next: str | None


class ListMembersBody(Body):
    """Customers to put on a static list, or to take off it."""

    customer_ids: Annotated[list[UUID], Field(min_length=1, max_length=10_000)]


class ListOutcome(Answer):
    """What became of one customer; `unknown`: profile has no timeline of it, or it is erased."""

    customer_id: UUID
    outcome: Literal["added", "present", "removed", "absent", "unknown"]


class ListMembersAnswer(Answer):
    """One entry per customer, in order."""

    results: list[ListOutcome]


class PreviewQuery(Body):
    """A condition to try: everybody counted, or an `estimate` from a random sample, in a moment.

    `force`: count although it reads more than is allowed (scope `profile:scan`).
    """

    condition: Condition
    mode: Literal["exact", "estimate"] = "exact"
    force: bool = False


class PreviewAnswer(Answer):
    """How many customers fulfil it, of how many, and some of them at random.

    An estimate's truth lies from `low` to `high` in 95 of 100 cases.
    """

    count: int
    low: int
    high: int
    total: int
    share: float
    is_estimate: bool
    sample: list[UUID]


class OverlapAnswer(Answer):
    """Two segments' members: each, both, only in the one or the other."""

    a: str
    b: str
    a_size: int
    b_size: int
    both: int
    only_a: int
    only_b: int


class OverlapsAnswer(Answer):
    """Every pair."""

    pairs: list[OverlapAnswer]


class SegmentDayAnswer(Answer):
    """A day in the customers' time zone: the size at its end, who entered and exited, by reason."""

    day: date
    size: int
    entered: dict[str, int]
    exited: dict[str, int]


class SegmentDaysAnswer(Answer):
    """Oldest first, every day."""

    days: list[SegmentDayAnswer]
