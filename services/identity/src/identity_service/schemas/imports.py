"""Imports of lists."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field, StringConstraints

from identity_service.schemas.fields import Slug
from servicekit.http import Answer, Body, Key

ColumnTitle = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Target = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class ImportBody(Body):
    """A list of customers, or of ids that belong together, and how it is read."""

    source_id: Key
    kind: Literal["customers", "id_syncs"] = "customers"
    format: Literal["csv", "ndjson"]
    encoding: Literal["utf-8", "cp932", "auto"] = "auto"
    mapping: Annotated[
        dict[ColumnTitle, Target],
        Field(
            min_length=1,
            max_length=1000,
            description="Column (CSV: as in the first line; NDJSON: key) -> user_id, anonymous_id, occurred_at, "
            "traits.<name>, external_ids.<namespace>, sha256.<namespace> or ignore. Others are ignored.",
        ),
    ]
    as_of: Annotated[
        AwareDatetime,
        Field(
            description="When the list was drawn up. What happened since then wins over it, and who was erased since "
            "then stays erased. A column `occurred_at` says it line by line."
        ),
    ]
    purposes: Annotated[
        list[Slug],
        Field(max_length=50, default_factory=list, description="Fewer than the source's; none: all of them."),
    ]
    dry_run: Annotated[bool, Field(description="Say everything, change nothing.")] = False


class ImportAnswer(Answer):
    """An import: what it is, how far it is, how many lines were taken."""

    import_id: UUID
    source_id: str
    kind: str
    format: str
    encoding: str
    mapping: dict[str, str]
    as_of: datetime
    purposes: list[str]
    dry_run: bool
    state: Annotated[str, Field(description="uploading, queued, running, done, failed or cancelled.")]
    job_id: UUID | None
    size: Annotated[int, Field(description="Bytes received: the offset of the next piece of content.")]
    bytes_read: int
    lines_read: int
    accepted: int
    rejected: int
    problem: str | None
    created_by: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class ImportPage(Answer):
    """Imports, the newest first; `next` is the cursor of the following page."""

    items: list[ImportAnswer]
    next: str | None


class ContentAnswer(Answer):
    """How much was received."""

    import_id: UUID
    size: int


class ImportLineAnswer(Answer):
    """What became of the record that begins at a line (the file's first line is 1)."""

    line: int
    state: str
    customer_id: UUID | None
    """Of an accepted line, once it is resolved; messages are remembered for some days."""
    field: str | None
    detail: str | None


class ImportLinePage(Answer):
    """Lines in order; `next` is the cursor of the following page."""

    items: list[ImportLineAnswer]
    next: str | None
