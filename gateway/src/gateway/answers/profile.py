"""What profile answers on customers, and on all of them."""

from __future__ import annotations

from msgspec import Raw, Struct, field

from gateway.answers.money import Money
from gateway.answers.page import PageInfoRow


class TraitRow(Struct):
    """One folded trait and where it comes from."""

    name: str
    value: Raw
    observed_at: str
    source: str | None = field(name="source_id", default=None)
    department: str | None = None
    brand: str | None = None
    legal_entity: str | None = None


class RfmRow(Struct):
    """Recency in calendar days, frequency in purchases, monetary in `currency`."""

    recency_days: int
    frequency: int
    monetary: Money
    currency: str | None = None


class RankRow(Struct):
    """The rank held, and since when."""

    key: str
    name: str
    since: str | None = None


class RfmScoresRow(Struct):
    """1 to 5, 5 the best fifth."""

    recency: int | None = None
    frequency: int | None = None
    monetary: int | None = None


class NextRankRow(Struct):
    """The next rank, and what is missing to it."""

    key: str
    name: str
    missing: Money


class MembershipRow(Struct):
    """A segment the customer is in."""

    key: str
    name: str
    since: str
    id: str = field(name="segment_id")


class SignOfCustomerRow(Struct):
    """A sign the customer shows."""

    key: str
    name: str
    meaning: str
    strength: str
    detected_at: str
    renewed_at: str
    expires_at: str | None = None


class ProfileOfCustomer(Struct):
    """What is known and concluded."""

    customer_id: str
    traits: list[TraitRow] = []
    rfm: RfmRow | None = None
    rank: RankRow | None = None
    segments: list[MembershipRow] = []
    signs: list[SignOfCustomerRow] = []
    computed: Raw = field(default_factory=lambda: Raw(b"{}"))
    rfm_scores: RfmScoresRow | None = None
    points: Money | None = None
    next_rank: NextRankRow | None = None
    lifecycle: str | None = None
    withheld: bool = False
    """The answer's: it says the same of everybody."""


class ProfileAnswer(Struct):
    """POST /v1/customers:batchGet"""

    customers: list[ProfileOfCustomer]
    withheld: bool = False

    def __post_init__(self) -> None:
        for each in self.customers:
            each.withheld = self.withheld


class EventRow(Struct):
    """An event on the timeline; it is its own edge of the connection."""

    id: str = field(name="event_id")
    name: str
    kind: str
    occurred_at: str
    cursor: str
    source: str | None = field(name="source_id", default=None)
    department: str | None = None
    brand: str | None = None
    legal_entity: str | None = None
    properties: Raw = field(default_factory=lambda: Raw(b"{}"))

    @property
    def node(self) -> EventRow:
        """The edge's event."""
        return self


class TimelineOfCustomer(Struct):
    """A page of the timeline, newest first; it is its own connection."""

    customer_id: str
    events: list[EventRow] = []
    has_more: bool = False
    total_count: int = 0
    withheld: bool = False
    """The answer's: it says the same of everybody."""

    @property
    def edges(self) -> list[EventRow]:
        """Relay's edges."""
        return self.events

    @property
    def page_info(self) -> PageInfoRow:
        """Relay's page information; this connection is only read forward."""
        return PageInfoRow(
            has_next_page=self.has_more,
            has_previous_page=False,
            start_cursor=self.events[0].cursor if self.events else None,
            end_cursor=self.events[-1].cursor if self.events else None,
        )


class TimelineAnswer(Struct):
    """POST /v1/timelines:batchGet"""

    customers: list[TimelineOfCustomer]
    withheld: bool = False

    def __post_init__(self) -> None:
        for each in self.customers:
            each.withheld = self.withheld


class TotalsAnswer(Struct):
    """GET /v1/totals"""

    customers: int
    events: int
    currency: str
    purchases: int | None = None
    revenue: Money | None = None
    purchases_simulated: int | None = None
    revenue_simulated: Money | None = None
    withheld: bool = False
