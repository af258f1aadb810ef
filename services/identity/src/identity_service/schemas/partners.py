"""Id syncs of partners."""

from typing import Annotated

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


class RejectedLink(Answer):
    """A link that was not taken."""

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
