"""Imports of files."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, Field, StrictBool, StrictFloat, StrictInt, StringConstraints

from identity_service.schemas.fields import Slug
from servicekit.http import Answer, Body, Key

ColumnTitle = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]
Target = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")]


class TypedTarget(Body):
    """What a column is, and as what it is read: text of a CSV becomes a number, a truth value, a date."""

    to: Annotated[Target, Field(description="traits.<name> or properties.<name>.")]
    type: Literal["text", "number", "boolean", "date", "datetime"]


class ListTarget(Body):
    """A column that holds several elements: in CSV as one text, in NDJSON also as a list."""

    to: Annotated[Target, Field(description="traits.<name> or properties.<name>.")]
    type: Literal["list"]
    separator: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=10, pattern=r"^[^\x00]+$")] | None,
        Field(description="What stands between the elements of a text, such as |. CSV must say it."),
    ] = None
    elements: Annotated[Literal["text", "number"], Field(description="What each of them is.")] = "text"


Typed = Annotated[TypedTarget | ListTarget, Field(discriminator="type")]

Constant = (
    StrictBool
    | StrictInt
    | Annotated[StrictFloat, Field(allow_inf_nan=False)]
    | Annotated[str, StringConstraints(min_length=1, max_length=1000)]
)


def _known(zone: str) -> str:
    if zone not in available_timezones():
        raise ValueError("A time zone of the IANA database, such as Asia/Tokyo.")
    return zone


class ImportBody(Body):
    """A file of a department's system - customers, ids that belong together, or events - and how it is read."""

    source_id: Key
    kind: Annotated[
        Literal["customers", "id_syncs", "events"],
        Field(description="What a record is: what is known of somebody, whose ids these are, or what happened."),
    ] = "customers"
    format: Literal["csv", "ndjson"]
    encoding: Literal["utf-8", "cp932", "auto"] = "auto"
    mapping: Annotated[
        dict[ColumnTitle, Target | Typed],
        Field(
            min_length=1,
            max_length=1000,
            description="Column (CSV: as in the first line; NDJSON: key) -> user_id, anonymous_id, occurred_at, "
            "traits.<name>, external_ids.<namespace>, sha256.<namespace> or ignore; of events also event, record_id "
            "(the record's own id in its system) and properties.<name>. Others are ignored.",
        ),
    ]
    constants: Annotated[
        dict[Target, Constant],
        Field(
            max_length=100,
            default_factory=dict,
            description="What is the same in every record: event, properties.<name> or traits.<name> -> value.",
        ),
    ]
    time_zone: Annotated[
        Annotated[str, StringConstraints(min_length=1, max_length=63), AfterValidator(_known)] | None,
        Field(description="Where times without an offset are meant (IANA); none: the platform's."),
    ] = None
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


class OutlinedEvent(Answer):
    """What a record would become, without what it says."""

    type: Annotated[str, Field(description="identify or track.")]
    event: Annotated[str | None, Field(description="Of a track event: its name.")]
    identifiers: Annotated[list[str], Field(description="Namespaces; sha256.<namespace> if hashed.")]
    traits: Annotated[dict[str, str], Field(description="Name -> text, number, boolean, list or null.")]
    properties: Annotated[dict[str, str], Field(description="Name -> text, number, boolean, list or null.")]


class ImportAnswer(Answer):
    """An import: what it is, how far it is, how many lines were taken."""

    import_id: UUID
    source_id: str
    kind: str
    format: str
    encoding: str
    mapping: dict[str, str | Typed]
    constants: dict[str, Constant]
    time_zone: str
    as_of: datetime
    purposes: list[str]
    dry_run: bool
    state: Annotated[str, Field(description="uploading, queued, running, done, failed or cancelled.")]
    job_id: UUID | None
    size: Annotated[int, Field(description="Bytes received: the offset of the next piece of content.")]
    bytes_read: int
    lines_read: int
    accepted: int
    repeated: Annotated[
        int | None,
        Field(description="Of the accepted ones: taken before, so that they change nothing. Complete when done."),
    ]
    rejected: int
    sample: Annotated[list[OutlinedEvent], Field(description="Of a dry run: what the first records would become.")]
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
    state: Annotated[str, Field(description="accepted, repeated (accepted, but taken before), or rejected.")]
    customer_id: UUID | None
    """Of an accepted line, once it is resolved; messages are remembered for some days."""
    field: str | None
    detail: str | None


class ImportLinePage(Answer):
    """Lines in order; `next` is the cursor of the following page."""

    items: list[ImportLineAnswer]
    next: str | None
