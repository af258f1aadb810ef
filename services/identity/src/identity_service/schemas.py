"""Requests and answers of identity's REST API."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import Field, StringConstraints, field_validator

from identity_service.rules.identifiers import (
    DEFAULT_BLOCKED_VALUES,
    MAX_VALUE_LENGTH,
    NAMESPACE_PATTERN,
    pattern_problem,
)
from servicekit.http import Answer, Body

Label = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f]+$")
]
Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
NamespaceName = Annotated[str, StringConstraints(pattern=f"^{NAMESPACE_PATTERN}$")]


class SourceBody(Body):
    """A system of a department or partner that sends events."""

    name: Label
    department: Slug
    brand: Slug
    legal_entity: Label
    purposes: Annotated[list[Slug], Field(max_length=50, default_factory=list)]


class SourceAnswer(Answer):
    """A source; its write key is said once, when it is made."""

    source_id: str
    name: str
    department: str
    brand: str
    legal_entity: str
    purposes: list[str]
    version: int
    created_at: datetime
    updated_at: datetime
    write_key: str | None = None


class SourceList(Answer):
    """All sources."""

    items: list[SourceAnswer]


class NamespaceBody(Body):
    """The rules of one kind of identifier."""

    limit: Annotated[int, Field(ge=1, le=1000, description="How many values one customer may have.")] = 5
    priority: Annotated[int, Field(ge=1, le=10_000, description="1 is the strongest.")]
    unique: Annotated[
        bool, Field(description="Two different values are two different customers, whatever the limit.")
    ] = False
    blocked_values: Annotated[
        list[str],
        Field(
            max_length=200,
            default_factory=lambda: list(DEFAULT_BLOCKED_VALUES),
            description="Patterns that must match a whole value, whatever its case. Default: developers' leftovers.",
        ),
    ]

    @field_validator("blocked_values")
    @classmethod
    def _patterns_can_be_used(cls, patterns: list[str]) -> list[str]:
        for index, pattern in enumerate(patterns):
            problem = pattern_problem(pattern)
            if problem is not None:
                raise ValueError(f"Pattern {index}: {problem}")
        return patterns


class NamespaceAnswer(Answer):
    """A namespace and its rules."""

    name: str
    limit: int
    priority: int
    unique: bool
    blocked_values: list[str]
    version: int


class NamespaceList(Answer):
    """All configured namespaces, the strongest first."""

    items: list[NamespaceAnswer]


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
    """With any identifier other than an anonymous one."""
    linked: int
    """With identifiers of two namespaces or more."""
    identifiers: int
    by_namespace: dict[str, int]
    accepted_events: int
    rejected_events: int
    duplicate_events: int


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
