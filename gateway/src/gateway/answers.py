"""What the services' REST endpoints answer, decoded straight from the wire.

The attribute names are the graph's (in snake case); `name=` says how the wire calls a thing. A field that may be null here is
nullable in the graph (a test compares). Free JSON stays bytes (`Raw`): nobody between the service and the client reads it.
Unknown fields are ignored, so a service may add.
"""

from __future__ import annotations

from msgspec import Raw, Struct, field

Money = str | int | float
"""A decimal: the services write it as text; a JSON number is accepted."""


# ---------------------------------------------------------------------------------------------------------------- identity
class IdentifierRow(Struct):
    """An identifier of the customer."""

    anchor_id: str
    namespace: str
    value: str
    linked_at: str
    source: str | None = field(name="source_id", default=None)


class IdentityOfCustomer(Struct):
    """Who this is now. `current_customer_id` is None when nobody is known under the requested id."""

    customer_id: str
    current_customer_id: str | None = None
    created_at: str | None = None
    identifiers: list[IdentifierRow] = []


class IdentityAnswer(Struct):
    """POST /v1/customers:batchGet"""

    customers: list[IdentityOfCustomer]


class LookedUpIdentifier(Struct):
    """Whose this identifier is, None when nobody's."""

    namespace: str
    value: str
    customer_id: str | None = None


class LookupAnswer(Struct):
    """POST /v1/identifiers:batchLookup"""

    identifiers: list[LookedUpIdentifier]


class ListedCustomer(Struct):
    """One row of a listing of customers."""

    customer_id: str


class CustomerListAnswer(Struct):
    """GET /v1/customers of identity (everybody) and of profile (a segment's members)."""

    items: list[ListedCustomer]
    next: str | None = None
    total_count: int = 0


class LinkCoverageAnswer(Struct):
    """GET /v1/coverage of identity."""

    customers: int = 0
    known: int = 0
    linked: int = 0
    identifiers: int = 0
    accepted_events: int = 0
    rejected_events: int = 0
    duplicate_events: int = 0


# ----------------------------------------------------------------------------------------------------------------- profile
class TraitRow(Struct):
    """One folded trait and where it comes from."""

    name: str
    value: Raw
    observed_at: str
    source: str | None = field(name="source_id", default=None)


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


class MembershipRow(Struct):
    """A segment the customer is in."""

    key: str
    name: str
    since: str
    id: str = field(name="segment_id")


class ProfileOfCustomer(Struct):
    """What is known and concluded."""

    customer_id: str
    traits: list[TraitRow] = []
    rfm: RfmRow | None = None
    rank: RankRow | None = None
    segments: list[MembershipRow] = []


class ProfileAnswer(Struct):
    """POST /v1/customers:batchGet"""

    customers: list[ProfileOfCustomer]


class EventRow(Struct):
    """An event on the timeline; it is its own edge of the connection."""

    id: str = field(name="event_id")
    name: str
    kind: str
    occurred_at: str
    cursor: str
    source: str | None = field(name="source_id", default=None)
    properties: Raw = field(default_factory=lambda: Raw(b"{}"))

    @property
    def node(self) -> EventRow:
        """The edge's event."""
        return self


class PageInfoRow(Struct):
    """Relay's page information."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


class TimelineOfCustomer(Struct):
    """A page of the timeline, newest first; it is its own connection."""

    customer_id: str
    events: list[EventRow] = []
    has_more: bool = False
    total_count: int = 0

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


class SegmentRow(Struct):
    """A segment's definition and size."""

    key: str
    name: str
    status: str
    version: int = 1
    size: int | None = None
    description: str | None = None
    condition: Raw = field(default_factory=lambda: Raw(b"null"))
    published_at: str | None = None


class SegmentListAnswer(Struct):
    """GET /v1/segments"""

    items: list[SegmentRow]


# ---------------------------------------------------------------------------------------------------------------- campaign
class JourneyRunRow(Struct):
    """One run of a journey for the customer."""

    id: str = field(name="run_id")
    journey_key: str
    status: str
    started_at: str
    journey_name: str | None = None
    campaign_key: str | None = None
    arm: str | None = None
    step: str | None = None
    wake_at: str | None = None
    ended_at: str | None = None
    outcome: str | None = None


class JourneysOfCustomer(Struct):
    """Runs, newest first."""

    customer_id: str
    journeys: list[JourneyRunRow] = []


class JourneysAnswer(Struct):
    """POST /v1/journeys:batchGet"""

    customers: list[JourneysOfCustomer]


class GoalRow(Struct):
    """What the campaign is for."""

    event: str
    sum_property: str | None = None
    window_days: int | None = None


class CampaignRow(Struct):
    """A campaign's definition."""

    key: str
    name: str
    version: int = 1
    goal: GoalRow | None = None
    creative_keys: list[str] = []


class CampaignListAnswer(Struct):
    """GET /v1/campaigns"""

    items: list[CampaignRow]


class TreatmentRow(Struct):
    """What became of those who were approached."""

    customers: int
    purchasers: int
    purchases: int
    revenue: Money
    reached: int = 0
    opened: int = 0
    clicked: int = 0
    failed: int = 0


class HoldoutRow(Struct):
    """What those who were left alone did."""

    customers: int
    purchasers: int
    purchases: int
    revenue: Money


class LiftRow(Struct):
    """The difference between both, with its confidence interval; None where too few customers allow no statement."""

    metric: str = "conversion_rate"
    treatment: float | None = None
    holdout: float | None = None
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    relative: float | None = None
    confidence: float | None = None


class RevenueLiftRow(Struct):
    """The difference in revenue per customer."""

    difference: Money | None = None
    low: Money | None = None
    high: Money | None = None


class ResultsRow(Struct):
    """GET /v1/campaigns/{key}/results"""

    campaign_key: str
    treatment: TreatmentRow
    holdout: HoldoutRow
    lift: LiftRow | None = None
    revenue_lift: RevenueLiftRow | None = None
    mixed: int = 0
    as_of: str | None = None


class JourneyRow(Struct):
    """A journey's definition."""

    key: str
    name: str
    status: str
    version: int = 1
    campaign_key: str | None = None
    published_at: str | None = None


# ---------------------------------------------------------------------------------------------------------------- delivery
class MessageRow(Struct):
    """A message and what became of it."""

    id: str = field(name="message_id")
    channel: str
    state: str
    requested_at: str
    template_key: str | None = None
    campaign_key: str | None = None
    subject: str | None = None
    sent_at: str | None = None
    opened_at: str | None = None
    clicked_at: str | None = None
    failure_reason: str | None = None


class MessagesOfCustomer(Struct):
    """Messages, newest first."""

    customer_id: str
    messages: list[MessageRow] = []


class MessagesAnswer(Struct):
    """POST /v1/messages:batchGet"""

    customers: list[MessagesOfCustomer]


class PermissionRow(Struct):
    """What a contact point permits."""

    anchor_id: str
    channel: str
    topic: str
    status: str
    basis: str | None = None
    recorded_at: str | None = None


class PermissionsOfCustomer(Struct):
    """Permissions of all contact points."""

    customer_id: str
    permissions: list[PermissionRow] = []


class PermissionsAnswer(Struct):
    """POST /v1/permissions:batchGet"""

    customers: list[PermissionsOfCustomer]


# ------------------------------------------------------------------------------------------------------------------ survey
class AnswerRow(Struct):
    """One question's answer."""

    question_key: str
    value: Raw


class ResponseRow(Struct):
    """One answered questionnaire."""

    id: str = field(name="response_id")
    questionnaire_key: str
    answered_at: str
    nps_score: int | None = None
    answers: list[AnswerRow] = []


class ResponsesOfCustomer(Struct):
    """Responses, newest first."""

    customer_id: str
    responses: list[ResponseRow] = []


class ResponsesAnswer(Struct):
    """POST /v1/responses:batchGet"""

    customers: list[ResponsesOfCustomer]


class CommitmentRow(Struct):
    """A promise to the customer."""

    id: str = field(name="commitment_id")
    kind: str
    subject: str
    status: str
    made_at: str
    owner_department: str | None = None
    due_on: str | None = None


class CommitmentsOfCustomer(Struct):
    """Commitments, newest first."""

    customer_id: str
    commitments: list[CommitmentRow] = []


class CommitmentsAnswer(Struct):
    """POST /v1/commitments:batchGet"""

    customers: list[CommitmentsOfCustomer]


class QuestionnaireRow(Struct):
    """A questionnaire's definition."""

    key: str
    title: str
    language: str | None = None
    version: int = 1


class QuestionnaireListAnswer(Struct):
    """GET /v1/questionnaires"""

    items: list[QuestionnaireRow]


class CoverageRow(Struct):
    """GET /v1/coverage of survey: how many of those asked answered."""

    invited: int
    answered: int
    coverage: float | None = None


class NpsRow(Struct):
    """GET /v1/nps: promoters (9-10) minus detractors (0-6) in percent of the responses."""

    responses: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None = None


# ------------------------------------------------------------------------------------------------------------------ others
class Anything(Struct):
    """An answer whose content does not matter."""


class ProblemField(Struct):
    """What is wrong with one field."""

    field: str
    detail: str = ""


class Problem(Struct):
    """RFC 9457 problem+json."""

    title: str = ""
    detail: str = ""
    errors: list[ProblemField] = []
