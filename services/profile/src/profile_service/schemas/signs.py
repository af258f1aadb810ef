"""Signs as they are written and read."""

from datetime import date, datetime
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from contracts.conditions import Condition, EventMatch, Filters, Name
from contracts.profile import SignStrength
from profile_service.schemas.fields import Title, Withheld
from profile_service.schemas.segments import Why
from servicekit.http import Answer, Body, Key

Meaning = Annotated[str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00]*$")]
DayCount = Annotated[int, Field(ge=1, le=3660)]


class OutcomeBody(Body):
    """What should follow a sign within so many days of 24 hours.

    One of: an `event` that passes every filter; `any_of` several such events; a published `sign` whose condition
    becomes true then - so any condition may be an outcome, from when it is published as a sign on.
    """

    event: Name | None = None
    where: Filters = Field(default=[])
    any_of: Annotated[list[EventMatch], Field(min_length=2, max_length=10)] | None = None
    sign: Key | None = None
    within_days: Annotated[int, Field(ge=1, le=366)]

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if sum(each is not None for each in (self.event, self.any_of, self.sign)) != 1:
            raise ValueError("one of `event`, `any_of` and `sign` must be said")
        if self.where and self.event is None:
            raise ValueError("`where` goes with `event`")
        return self


class SignBody(Body):
    """A sign: the condition it is seen by, what it means, and how long it lasts after the condition became true.

    It lasts longer while the condition holds. `strength` says how much is made of it; whoever acts on it reads that.
    """

    name: Title
    meaning: Meaning
    condition: Condition
    strength: SignStrength
    lifetime_days: DayCount
    outcome: OutcomeBody | None = None


class PublishSignBody(Body):
    """Why it is published; `force` although it reads more than is allowed (scope `profile:scan`)."""

    why: Why | None = None
    force: bool = False


class OutcomeAnswer(Answer):
    """What should follow: `event` with `where`, `any_of` several events, or `sign`; the others are null."""

    event: str | None = None
    where: list[dict[str, Any]] = Field(default=[])
    any_of: list[dict[str, Any]] | None = None
    sign: str | None = None
    within_days: int


class SignAnswer(Answer):
    """A sign as it is edited. `revision` counts edits (ETag), `version` publications."""

    sign_id: UUID
    key: str
    name: str
    meaning: str
    condition: dict[str, Any] | None
    """Null, with `outcome`, where it is withheld: it asks for what the reader may not see."""
    withheld: bool
    strength: SignStrength
    lifetime_days: int
    outcome: OutcomeAnswer | None
    status: Literal["draft", "backfilling", "published", "archived"]
    is_edited: bool
    """It differs from what is published."""
    revision: int
    version: int
    published_at: datetime | None
    archived_at: datetime | None


class SignListAnswer(Answer):
    """All signs by key."""

    items: list[SignAnswer]
    withheld: Withheld


class SignVersionAnswer(Answer):
    """What a sign was from a publication on; `published_by` is null where it was not noted."""

    version: int
    condition: dict[str, Any] | None
    """Null, with `outcome` and `why`, where it is withheld."""
    withheld: bool
    strength: SignStrength
    lifetime_days: int
    outcome: OutcomeAnswer | None
    published_at: datetime
    published_by: str | None
    why: str | None


class SignVersionListAnswer(Answer):
    """Newest first; `next` is the cursor to pass as `after`."""

    items: list[SignVersionAnswer]
    next: str | None


class SignOfCustomerAnswer(Answer):
    """A sign a customer shows.

    `renewed_at`: when its condition last became true. `expires_at`: null while the condition holds.
    """

    key: str
    name: str
    meaning: str
    strength: SignStrength
    detected_at: datetime
    renewed_at: datetime
    expires_at: datetime | None


class ShowingAnswer(Answer):
    """A customer who shows the sign."""

    customer_id: UUID
    anchor_id: UUID
    """Anchor of the customer's latest event: what a fact about the customer hangs on."""
    detected_at: datetime
    renewed_at: datetime


class ShowingListAnswer(Answer):
    """A page; `next` is the cursor to pass as `after`."""

    items: list[ShowingAnswer]
    next: str | None


class SignShareAnswer(Answer):
    """How many customers show a sign now."""

    key: str
    name: str
    strength: SignStrength
    customers: int
    share: float


class SignCoverageAnswer(Answer):
    """How many of all customers show any sign now (are in a situation), and which.

    `in_a_situation` and `share` are null for whoever may not see all signs.
    """

    customers: int
    in_a_situation: int | None
    share: float | None
    withheld: Withheld
    signs: list[SignShareAnswer]


class PrecisionAnswer(Answer):
    """What followed a sign's detections of some days, and what follows without it.

    `rate`: of `detected`, those `followed` by the outcome in time. `base_rate`: of the customers known at the same
    times who did not show the sign. `lift`: one by the other. Null: nothing to tell it from.
    """

    key: str
    first_day: date
    last_day: date
    detected: int
    followed: int
    rate: float | None
    base_rate: float | None
    lift: float | None
