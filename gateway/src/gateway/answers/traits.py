"""What profile answers on traits: their definitions, why a value won, what a source took back."""

from __future__ import annotations

from msgspec import Raw, Struct, field

from gateway.answers.page import PageInfoRow


class TrustedRow(Struct):
    """A source, or all sources of a department."""

    source: str | None = None
    department: str | None = None


class TraitDefinitionRow(Struct):
    """What a trait is, and how sources' words on it are folded."""

    name: str
    policy: str
    revision: int
    updated_at: str
    status: str
    type: str | None = None
    trusted: list[TrustedRow] = []
    description: str | None = None
    is_sensitive: bool = False
    labels: list[str] = []
    refolded: int = 0


class TraitDefinitionPageAnswer(Struct):
    """GET /v1/traits"""

    items: list[TraitDefinitionRow]
    next: str | None = None


class RetractionRow(Struct):
    """What a source took back, and how far that is."""

    id: str = field(name="retraction_id")
    name: str
    source: str = field(name="source_id")
    is_for_everybody: bool
    until: str
    why: str
    asked_by: str
    requested_at: str
    retracted: int = 0
    finished_at: str | None = None


class RetractedRow(Struct):
    """Who took an observation back, when and why."""

    retraction_id: str
    why: str
    asked_by: str
    asked_at: str


class ObservationRow(Struct):
    """What a source said of a trait; it is its own edge of the connection."""

    event_id: str
    value: Raw
    source: str = field(name="source_id")
    observed_at: str
    cursor: str
    department: str | None = None
    brand: str | None = None
    legal_entity: str | None = None
    received_at: str | None = None
    lost_because: str | None = None
    retracted: RetractedRow | None = None

    @property
    def node(self) -> ObservationRow:
        """The edge's observation."""
        return self


class ExplanationRow(Struct):
    """What was said of a customer's trait, newest first; it is its own connection of observations."""

    customer_id: str
    name: str
    value: Raw = field(default_factory=lambda: Raw(b"null"))
    policy: str | None = None
    observations: list[ObservationRow] = []
    has_more: bool = False
    withheld: bool = False
    """The answer's: it says the same of everybody."""

    @property
    def edges(self) -> list[ObservationRow]:
        """Relay's edges."""
        return self.observations

    @property
    def page_info(self) -> PageInfoRow:
        """Relay's page information; this connection is only read forward."""
        return PageInfoRow(
            has_next_page=self.has_more,
            has_previous_page=False,
            start_cursor=self.observations[0].cursor if self.observations else None,
            end_cursor=self.observations[-1].cursor if self.observations else None,
        )


class ExplanationsOfCustomer(Struct):
    """A customer's traits of which something was said."""

    customer_id: str
    traits: list[ExplanationRow] = []
    withheld: bool = False
    """The answer's: it says the same of everybody."""

    def of(self, name: str) -> ExplanationRow:
        """What was said of one of the traits; nothing, where it is not among them."""
        row = next((each for each in self.traits if each.name == name), None)
        row = row or ExplanationRow(customer_id=self.customer_id, name=name)
        row.withheld = self.withheld
        return row


class ExplanationsAnswer(Struct):
    """POST /v1/trait-observations:batchGet"""

    customers: list[ExplanationsOfCustomer]
    withheld: bool = False

    def __post_init__(self) -> None:
        for each in self.customers:
            each.withheld = self.withheld
