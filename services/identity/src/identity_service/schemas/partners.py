"""What partners send, signed."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from servicekit.http import Answer


class LinkedIdentifierBody(BaseModel):
    """An identifier: its value, or the SHA-256 of its value in normal form (e-mail, telephone)."""

    namespace: str
    value: str | int | None = None
    sha256: Annotated[str | None, Field(pattern="^[0-9a-fA-F]{64}$")] = None


class IdSyncBody(BaseModel):
    """One customer's identifiers in several systems."""

    identifiers: Annotated[list[LinkedIdentifierBody], Field(min_length=2, max_length=20)]
    purposes: Annotated[
        list[str] | None, Field(max_length=50, description="For what the link may be used: fewer than the source's.")
    ] = None
    occurred_at: Annotated[str | None, Field(description="ISO 8601; default: webhook-timestamp.")] = None


class IdSyncsBody(BaseModel):
    """Up to 1,000 links, 500 KB."""

    links: Annotated[list[IdSyncBody], Field(min_length=1, max_length=1000)]


class AuthorBody(BaseModel):
    """Who wrote: a handle in a configured namespace."""

    namespace: str
    value: str | int


class RemarkBody(BaseModel):
    """What somebody wrote where and when."""

    author: AuthorBody
    text: Annotated[str, Field(min_length=1, max_length=10_000)]
    url: Annotated[str | None, Field(min_length=1, max_length=2000)] = None
    occurred_at: Annotated[str | None, Field(description="ISO 8601; default: webhook-timestamp.")] = None
    language: Annotated[str | None, Field(min_length=2, max_length=35, description="BCP 47, such as ja or en-US.")] = (
        None
    )
    remark_id: Annotated[
        str | None, Field(min_length=1, max_length=200, description="The partner's; the same again is a repetition.")
    ] = None


class RemarksBody(BaseModel):
    """Up to 1,000 remarks, 500 KB."""

    remarks: Annotated[list[RemarkBody], Field(min_length=1, max_length=1000)]


class RecordBody(BaseModel):
    """What happened (`event`, `properties`), or what is known (`traits`), and of whom."""

    identifiers: Annotated[list[LinkedIdentifierBody], Field(min_length=1, max_length=20)]
    event: Annotated[str | None, Field(min_length=1, max_length=255)] = None
    properties: Annotated[dict[str, Any] | None, Field(description="Of an event.")] = None
    traits: Annotated[dict[str, Any] | None, Field(description="Instead of an event.")] = None
    record_id: Annotated[
        str | int | None,
        Field(description="Of an event: its id in the system (200 characters). The same again is a repetition."),
    ] = None
    purposes: Annotated[
        list[str] | None, Field(max_length=50, description="For what it may be used: fewer than the source's.")
    ] = None
    occurred_at: Annotated[str | None, Field(description="ISO 8601; default: webhook-timestamp.")] = None


class RecordsBody(BaseModel):
    """Up to 1,000 records, 500 KB."""

    records: Annotated[list[RecordBody], Field(min_length=1, max_length=1000)]


class RecordsTaken(Answer):
    """Accepted: the event log has them."""

    accepted: int
    rejected: list["RejectedLink"]


class RemarksTaken(Answer):
    """Accepted: the event log has them."""

    accepted: int
    rejected: list["RejectedLink"]


class RejectedLink(Answer):
    """A link, remark or record that was not taken."""

    index: int
    field: str
    detail: str


class IdSyncsTaken(Answer):
    """Accepted: the event log has them."""

    accepted: int
    rejected: list[RejectedLink]


class SigningSecretAnswer(Answer):
    """A source's new signing secret; it is said this once."""

    source_id: str
    signing_secret: str
