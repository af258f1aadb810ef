"""What is asked of customers and said of them. Money is a decimal in text, so that nothing is lost on the way."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import Field, StringConstraints, model_validator

from contracts.conditions import Name, PropertyFilter
from profile_service.schemas.fields import Moment, Withheld
from profile_service.schemas.signs import SignOfCustomerAnswer
from servicekit.http import Answer, BatchGet, Body


class Provenance(Answer):
    """Where something comes from: the source, and whose it was then.

    Department, brand and legal entity are null for Kizuna's own services and for a source identity has not told of yet.
    """

    source_id: str
    department: str | None = None
    brand: str | None = None
    legal_entity: str | None = None


class TraitProvenance(Provenance):
    """Where a trait's value comes from, and when it was said."""

    observed_at: datetime


class TraitAnswer(TraitProvenance):
    """A folded trait with its provenance."""

    name: str
    value: Any


class RfmAnswer(Answer):
    """Recency in calendar days of the customers' zone at the moment of reading, number and sum of purchases."""

    recency_days: int
    frequency: int
    monetary: Decimal
    currency: str


class RfmScoresAnswer(Answer):
    """1 to 5, 5 the best fifth, by the cut points last taken; null where none are taken."""

    recency: int | None = None
    frequency: int | None = None
    monetary: int | None = None


class RankOfCustomerAnswer(Answer):
    """A customer's rank."""

    key: str
    name: str
    since: datetime


class NextRankAnswer(Answer):
    """The next rank, also for whoever has none yet, and what the measure lacks of its threshold."""

    key: str
    name: str
    missing: Decimal


class SegmentOfCustomerAnswer(Answer):
    """A segment a customer is in."""

    segment_id: UUID
    key: str
    name: str
    since: datetime


class CustomerAnswer(Answer):
    """What is known and concluded of one customer."""

    customer_id: UUID
    traits: list[TraitAnswer]
    rfm: RfmAnswer | None
    rank: RankOfCustomerAnswer | None
    segments: list[SegmentOfCustomerAnswer]
    signs: list[SignOfCustomerAnswer]
    computed: dict[str, Any]
    """Computed traits at this moment: a number, a text, or a moment; what is missing is not there."""
    rfm_scores: RfmScoresAnswer | None
    points: Decimal | None
    """What the table of ranks measures; null where it measures nothing."""
    next_rank: NextRankAnswer | None
    lifecycle: str | None
    """The state; null for whoever may not see what it is drawn from."""


class CustomersAnswer(Answer):
    """One entry per requested customer, in order."""

    customers: list[CustomerAnswer]
    withheld: Withheld


class TimelinesQuery(BatchGet):
    """The newest `first` events of each customer, after a cursor's event."""

    first: int = Field(default=20, ge=1, le=200)
    after: str | None = Field(default=None, max_length=500)


class EventAnswer(Provenance):
    """One event of a timeline."""

    event_id: UUID
    name: str
    kind: str
    occurred_at: datetime
    properties: dict[str, Any]
    cursor: str


class TimelineAnswer(Answer):
    """A part of one customer's timeline, newest first."""

    customer_id: UUID
    events: list[EventAnswer]
    has_more: bool
    total_count: int


class TimelinesAnswer(Answer):
    """One entry per requested customer, in order."""

    customers: list[TimelineAnswer]
    withheld: Withheld


class TraitsQuery(BatchGet):
    """All traits, or those named."""

    names: Annotated[list[Name], Field(max_length=200)] | None = None


class TraitValuesAnswer(Answer):
    """A customer's traits by name, and by name where each comes from."""

    customer_id: UUID
    traits: dict[str, Any]
    provenance: dict[str, TraitProvenance]


class TraitsAnswer(Answer):
    """One entry per requested customer, in order."""

    customers: list[TraitValuesAnswer]
    withheld: Withheld


class ConversionWindowBody(Body):
    """For one customer, from (included) until (excluded)."""

    key: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    customer_id: UUID
    starts_at: Moment = Field(alias="from")
    ends_at: Moment = Field(alias="until")

    @model_validator(mode="after")
    def _is_forward(self) -> Self:
        if self.ends_at < self.starts_at:
            raise ValueError("`until` lies before `from`")
        return self


class ConversionsQuery(Body):
    """How often `event` happened in each window, and the sum of a property over it."""

    event: Name
    sum_property: Name | None = None
    where: Annotated[list[PropertyFilter], Field(max_length=10)] = Field(default=[])
    windows: Annotated[list[ConversionWindowBody], Field(min_length=1, max_length=5000)]


class ConversionAnswer(Answer):
    """One window's count and sum."""

    key: str
    count: int
    sum: Decimal


class ConversionsAnswer(Answer):
    """One entry per window, in order."""

    conversions: list[ConversionAnswer]


class ListedCustomerAnswer(Answer):
    """A customer, and since when it is known or in the segment asked for.

    Since when it is known is its first event's time: null for whoever may not see all events.
    """

    customer_id: UUID
    anchor_id: UUID
    """Anchor of the customer's latest event: what a fact about the customer hangs on."""
    since: datetime | None


class CustomerListAnswer(Answer):
    """A page; `next` is the cursor to pass as `after`."""

    items: list[ListedCustomerAnswer]
    next: str | None
    total_count: int


class TotalsAnswer(Answer):
    """Sums over everybody; purchases and revenue without the simulated ones, which are beside them.

    Purchases are null for whoever may not see all of them.
    """

    customers: int
    events: int
    purchases: int | None
    revenue: Decimal | None
    purchases_simulated: int | None
    revenue_simulated: Decimal | None
    currency: str
    withheld: Withheld
