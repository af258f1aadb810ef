"""What identity answers on long work."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class JobRow(Struct):
    """Long work and how far it is."""

    id: str = field(name="job_id")
    kind: str
    state: str
    done: int
    created_by: str
    created_at: str
    total: int | None = None
    result: Raw = field(default_factory=lambda: Raw(b"null"))
    problem: str | None = None
    started_at: str | None = None
    finished_at: str | None = None


class JobPageAnswer(Struct):
    """GET /v1/jobs"""

    items: list[JobRow]
    next: str | None = None


class JobAcceptedAnswer(Struct):
    """Work that was queued."""

    job_id: str
