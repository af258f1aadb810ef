"""Traits as they are defined, taken back and explained."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, StringConstraints, ValidationInfo, field_validator

from contracts.conditions import Name
from profile_service.rules.traits import Policy, Reason, TraitType
from profile_service.schemas.fields import Description, Moment, Withheld
from servicekit.http import Answer, BatchGet, Body, Key

MAX_OBSERVATIONS = 200_000
"""In one answer, of all customers and traits together."""

Why = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


class TrustedSource(Body):
    """A source that is trusted."""

    source: Name


class TrustedDepartment(Body):
    """A department whose sources are trusted: those that were its own when they spoke."""

    department: Name


class TraitBody(Body):
    """What a trait is, and how sources' words on it are folded.

    A source's word is the latest it said (by `observed_at`, then by when it was received). `latest`: the latest word
    wins. `most_trusted`: the word of the source that stands first in `trusted`, itself or by its department; those who
    do not stand there come last, all alike. `max`, `min`: the largest or smallest word that is not null. `union`: the
    elements of every word's list, each once, as they were said first. With `type`, words of another type do not count.
    """

    type: TraitType | None = None
    policy: Policy = "latest"
    trusted: Annotated[list[TrustedSource | TrustedDepartment], Field(max_length=100, default_factory=list)]
    description: Description | None = None
    is_sensitive: bool = False
    labels: Annotated[list[Key], Field(max_length=50, default_factory=list)]


class TraitDefinitionAnswer(Answer):
    """A trait's definition; while `refolding`, customers beyond the first `refolded` may have the former value."""

    name: str
    type: TraitType | None
    policy: Policy
    trusted: list[dict[str, str]]
    description: str | None
    is_sensitive: bool
    labels: list[str]
    revision: int
    updated_at: datetime
    status: Literal["refolding", "folded"]
    refolded: int


class TraitDefinitionsAnswer(Answer):
    """Definitions by name."""

    items: list[TraitDefinitionAnswer]
    next: str | None


class RetractBody(Body):
    """What a source takes back of a trait: of a customer (or of one event of theirs), or, without one, of everybody.

    What it said up to `until` (by default: now) counts no more, also what arrives later.
    """

    source_id: Name
    customer_id: UUID | None = None
    event_id: UUID | None = None
    until: Moment | None = None
    why: Why


class RetractionAnswer(Answer):
    """What a source took back; `retracted` observations so far."""

    retraction_id: UUID
    name: str
    source_id: str
    is_for_everybody: bool
    until: datetime
    why: str
    asked_by: str
    requested_at: datetime
    retracted: int
    finished_at: datetime | None


class RetractedAnswer(Answer):
    """Who took it back, when, and why."""

    retraction_id: UUID
    why: str
    asked_by: str
    asked_at: datetime


class ObservationAnswer(Answer):
    """What a source said of a trait, whose it was then, and why it does not count (null: it does)."""

    event_id: UUID
    value: Any
    source_id: str
    department: str | None
    brand: str | None
    legal_entity: str | None
    observed_at: datetime
    received_at: datetime | None
    lost_because: Reason | None
    retracted: RetractedAnswer | None
    cursor: str


class ExplanationAnswer(Answer):
    """Why a trait is what it is: its value (null: none), the policy, and everything said of it, newest first."""

    customer_id: UUID
    name: str
    value: Any
    policy: Policy
    observations: list[ObservationAnswer]
    has_more: bool


class TraitObservationsQuery(BatchGet):
    """What was said of some traits of many customers: of each the newest `first`, after a cursor's observation."""

    names: Annotated[list[Name], Field(min_length=1, max_length=200)]
    first: int = Field(default=20, ge=1, le=200)
    after: str | None = Field(default=None, max_length=500)

    @field_validator("first")
    @classmethod
    def _is_no_more_than_may_be_read(cls, first: int, info: ValidationInfo) -> int:
        asked = len(info.data.get("customer_ids", ())) * len(info.data.get("names", ())) * first
        if asked > MAX_OBSERVATIONS:
            raise ValueError(f"customers x names x first may be {MAX_OBSERVATIONS}, not {asked}")
        return first


class TraitsOfCustomerAnswer(Answer):
    """A customer's traits of which something was said, in the order of `names`."""

    customer_id: UUID
    traits: list[ExplanationAnswer]


class TraitObservationsAnswer(Answer):
    """One entry per requested customer, in order."""

    customers: list[TraitsOfCustomerAnswer]
    withheld: Withheld
