"""Segments as they are written and read."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from contracts.conditions import Condition
from profile_service.schemas.fields import Description, Title
from servicekit.http import Answer, Body


class SegmentBody(Body):
    """A segment's name and condition."""

    name: Title
    description: Description | None = None
    condition: Condition


class SegmentAnswer(Answer):
    """A segment as configured.

    `revision` counts edits (ETag), `version` publications; `draft` was never published, `backfilling` is being
    evaluated for everybody (`evaluated` customers so far) while new events count at once.
    """

    segment_id: UUID
    key: str
    name: str
    description: str | None
    condition: dict[str, Any]
    status: Literal["draft", "backfilling", "published"]
    is_edited: bool
    """The condition differs from the published one."""
    revision: int
    version: int
    published_at: datetime | None
    evaluated: int
    size: int


class SegmentListAnswer(Answer):
    """All segments by key."""

    items: list[SegmentAnswer]


class PreviewQuery(Body):
    """A condition to try."""

    condition: Condition


class PreviewAnswer(Answer):
    """How many customers fulfil it, of how many, and some of them."""

    count: int
    total: int
    sample: list[UUID]
