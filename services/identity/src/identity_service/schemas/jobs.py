"""Long work."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from servicekit.http import Answer

JobState = Literal["queued", "running", "done", "failed", "cancelled"]


class JobAccepted(Answer):
    """The work is queued; look at it under `/v1/jobs/{job_id}`."""

    job_id: UUID


class JobAnswer(Answer):
    """Work that takes longer than a request. `done` of `total` (null: not known yet) is how far it is."""

    job_id: UUID
    kind: str
    state: JobState
    done: int
    total: int | None
    result: dict[str, Any] | None
    """Of the kind; null until it is done."""
    problem: str | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class JobPage(Answer):
    """Jobs, the newest first; `next` is the cursor of the following page."""

    items: list[JobAnswer]
    next: str | None
