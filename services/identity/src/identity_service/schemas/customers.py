"""Customers, identifiers, coverage, rejections."""

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from identity_service.rules.identifiers import MAX_VALUE_LENGTH
from identity_service.schemas.fields import Label, NamespaceName, Slug
from servicekit.http import Answer, BatchGet, Body


class CustomersQuestion(BatchGet):
    """The body of a batch read; with `legal_entity` and `purpose`, of what that entity may use for it."""

    legal_entity: Annotated[Label | None, Field(description="Only what this legal entity may use; with purpose.")] = (
        None
    )
    purpose: Annotated[Slug | None, Field(validate_default=True)] = None

    @field_validator("purpose")
    @classmethod
    def _goes_with_the_legal_entity(cls, purpose: str | None, info: ValidationInfo) -> str | None:
        if "legal_entity" in info.data and (purpose is None) != (info.data["legal_entity"] is None):
            raise ValueError("legal_entity and purpose go together.")
        return purpose


class IdentifierAnswer(Answer):
    """An identifier of a customer, with the source that brought it."""

    anchor_id: UUID
    namespace: str
    value: str
    source_id: str
    linked_at: datetime


class CustomerAnswer(Answer):
    """A customer as asked for; a former id gives the customer it became."""

    customer_id: UUID
    current_customer_id: UUID | None
    created_at: datetime | None
    identifiers: list[IdentifierAnswer]


class CustomersAnswer(Answer):
    """One entry per requested id, in order."""

    customers: list[CustomerAnswer]


class IdentifierQuestion(Body):
    """Whose is this?"""

    namespace: NamespaceName
    value: Annotated[str, StringConstraints(min_length=1, max_length=MAX_VALUE_LENGTH, pattern=r"^[^\x00]+$")]


class BatchLookup(Body):
    """Up to 1,000 identifiers to look up."""

    identifiers: Annotated[list[IdentifierQuestion], Field(min_length=1, max_length=1000)]


class IdentifierFound(Answer):
    """Whose the identifier is; nulls when nobody's."""

    namespace: str
    value: str
    customer_id: UUID | None
    anchor_id: UUID | None


class IdentifiersAnswer(Answer):
    """One entry per requested identifier, in order."""

    identifiers: list[IdentifierFound]


class CustomerListed(Answer):
    """A customer in a listing."""

    customer_id: UUID


class CustomerPage(Answer):
    """Customers, the oldest first; `next` is the cursor of the following page."""

    items: list[CustomerListed]
    next: str | None
    total_count: int


class CoverageAnswer(Answer):
    """How much of the base is known and linked, and what became of events."""

    customers: int
    known: int
    """With any identifier of a namespace that is neither shared (cookies, devices) nor outside."""
    anonymous: int
    """The others."""
    linked: int
    """With identifiers of two namespaces or more."""
    linked_outside: int
    """With an identifier of an outside namespace (a DMP, a retailer, a social network)."""
    linked_outside_share: float
    """Of all customers, 0-1."""
    identifiers: int
    by_namespace: dict[str, int]
    accepted_events: int
    rejected_events: int
    duplicate_events: int
    computed_at: datetime
    """When customers and identifiers were counted: now for a small base, else by the last count in the background."""


class CoverageOnDay(Answer):
    """Coverage on a day, as it was last counted on it; an empty brand, source or namespace stands for all."""

    day: date
    brand: str
    source_id: str
    namespace: str
    customers: int
    known: int
    anonymous: int
    linked_outside: int


class CoverageHistory(Answer):
    """Coverage by day, the oldest first; `next` is the cursor of the following page."""

    items: list[CoverageOnDay]
    next: str | None


class RejectionAnswer(Answer):
    """An event that could not be taken, as it came."""

    rejection_id: UUID
    source_id: str
    request_id: UUID
    index: int
    field: str
    detail: str
    payload: str
    received_at: datetime


class RejectionPage(Answer):
    """Rejected events, the newest first."""

    items: list[RejectionAnswer]
    next: str | None
