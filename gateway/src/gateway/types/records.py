"""Everything in the graph that is read from one service's answer as it is."""

import strawberry

from gateway.answers import campaign, delivery, identity, page, profile, survey
from gateway.types.record import record
from gateway.types.scalars import Date, DateTime, Json, Money


@record(page.PageInfoRow)
class PageInfo:
    """Where this page lies; connections are read forward."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@record(identity.IdentifierRow)
class Identifier:
    """One identifier of a customer: a member number, an address, a device."""

    anchor_id: strawberry.ID
    namespace: str
    value: str
    source: str | None
    linked_at: DateTime


@record(profile.TraitRow)
class Trait:
    """What a source says about the customer; where sources disagree, the folded value (`Customer.trait` says why)."""

    name: str
    value: Json
    source: str | None = strawberry.field(description="Whose word it is.")
    department: str | None = strawberry.field(description="Whose the source was then.")
    brand: str | None
    legal_entity: str | None
    observed_at: DateTime


@record(profile.RfmRow)
class Rfm:
    """Recency in calendar days since the last purchase, frequency in purchases, monetary their sum in `currency`."""

    recency_days: int
    frequency: int
    monetary: Money
    currency: str | None


@record(profile.RankRow)
class Rank:
    """The rank the customer holds."""

    key: str
    name: str
    since: DateTime | None


@record(profile.RfmScoresRow)
class RfmScores:
    """Recency, frequency and monetary from 1 to 5, 5 the best fifth, by the cut points last taken."""

    recency: int | None
    frequency: int | None
    monetary: int | None


@record(profile.NextRankRow)
class NextRank:
    """The next rank, and what the customer's points lack of its threshold."""

    key: str
    name: str
    missing: Money


@record(profile.MembershipRow)
class SegmentMembership:
    """A segment the customer is in."""

    id: strawberry.ID
    key: str
    name: str
    since: DateTime


@record(profile.EventRow)
class Event:
    """Something that happened to the customer."""

    id: strawberry.ID
    name: str
    kind: str
    source: str | None
    department: str | None = strawberry.field(description="Whose the source was then; null for Kizuna's own facts.")
    brand: str | None
    legal_entity: str | None
    occurred_at: DateTime
    properties: Json


@record(profile.EventRow)
class EventEdge:
    """An event and its place on the timeline."""

    cursor: str
    node: Event


@record(profile.TimelineOfCustomer)
class EventConnection:
    """A page of the timeline, newest first."""

    edges: list[EventEdge]
    page_info: PageInfo
    total_count: int
    withheld: bool = strawberry.field(
        description="The policy hides some events (remarks are events, too) from the caller, whomever is asked about."
    )


@record(delivery.MessageRow)
class Message:
    """A message to the customer and what became of it."""

    id: strawberry.ID
    channel: str
    state: str
    campaign_key: str | None
    template_key: str | None
    topic: str | None
    subject: str | None
    requested_at: DateTime
    sent_at: DateTime | None
    opened_at: DateTime | None
    clicked_at: DateTime | None
    failure_reason: str | None


@record(delivery.PermissionRow)
class Permission:
    """What one contact point (the identifier with this `anchorId`) permits for one topic."""

    anchor_id: strawberry.ID
    channel: str
    topic: str
    status: str
    basis: str | None
    legal_entity: str | None
    recorded_at: DateTime | None


@record(survey.AnswerRow)
class Answer:
    """The answer to one question."""

    question_key: str
    value: Json


@record(survey.ResponseRow)
class Response:
    """A questionnaire the customer answered."""

    id: strawberry.ID
    questionnaire_key: str
    answered_at: DateTime
    nps_score: int | None
    answers: list[Answer]


@record(survey.CommitmentRow)
class Commitment:
    """What must hold for this customer to stay: stated by the customer, owned by a department."""

    id: strawberry.ID
    kind: str
    subject: str
    text: str | None = strawberry.field(description="The words the customer agreed to.")
    status: str
    questionnaire_key: str | None
    owner_department: str | None
    due_on: Date | None
    proof: str | None = strawberry.field(description="By what it was kept.")
    made_at: DateTime
    changed_at: DateTime | None


@record(campaign.JourneyRunRow)
class JourneyRun:
    """A customer's way through a journey."""

    id: strawberry.ID
    journey_key: str
    journey_name: str | None
    campaign_key: str | None
    arm: str | None
    step: str | None
    status: str
    started_at: DateTime
    wake_at: DateTime | None
    ended_at: DateTime | None
    outcome: str | None


@record(campaign.JourneyRow)
class Journey:
    """A journey's definition."""

    key: str
    name: str
    status: str
    version: int
    campaign_key: str | None
    published_at: DateTime | None


@record(campaign.GoalRow)
class Goal:
    """What a campaign is for: an event within a window after entry."""

    event: str
    sum_property: str | None
    window_days: int | None


@record(campaign.TreatmentRow)
class Treatment:
    """Those who were approached."""

    customers: int
    reached: int
    opened: int
    clicked: int
    failed: int
    purchasers: int
    purchases: int
    revenue: Money


@record(campaign.HoldoutRow)
class Holdout:
    """Those who were left alone, for comparison."""

    customers: int
    purchasers: int
    purchases: int
    revenue: Money


@record(campaign.LiftRow)
class Lift:
    """The difference the campaign made, with its confidence interval."""

    metric: str
    treatment: float | None
    holdout: float | None
    difference: float | None
    low: float | None
    high: float | None
    relative: float | None
    confidence: float | None


@record(campaign.RevenueLiftRow)
class RevenueLift:
    """The difference in revenue per customer, with its confidence interval."""

    difference: Money | None
    low: Money | None
    high: Money | None


@record(campaign.CouponsRow)
class Coupons:
    """Codes issued, and how many of them were redeemed."""

    issued: int
    redeemed: int


@record(campaign.ResultsRow)
class CampaignResults:
    """What a campaign achieved, measured against its holdout."""

    treatment: Treatment
    holdout: Holdout
    lift: Lift | None
    revenue_lift: RevenueLift | None
    coupons: Coupons | None
    mixed: int = strawberry.field(description="Customers of both arms who turned out to be one.")
    as_of: DateTime | None


@record(survey.CoverageRow)
class Coverage:
    """How many of those asked answered."""

    invited: int
    answered: int
    base: int | None = strawberry.field(description="What `coverage` is a share of.")
    coverage: float | None
    as_of: DateTime | None


@record(survey.NpsRow)
class Nps:
    """Net promoter score: promoters minus detractors, in percent of the responses."""

    responses: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    as_of: DateTime | None


@record(identity.NamespaceCountRow)
class NamespaceCount:
    """How many identifiers of this kind there are."""

    namespace: str
    identifiers: int


@record(identity.LinkCoverageAnswer)
class LinkCoverage:
    """How much of the customer base is linked, and what the front door let in."""

    customers: int
    known: int
    linked: int
    identifiers: int
    accepted_events: int
    rejected_events: int
    duplicate_events: int
    anonymous: int = strawberry.field(description="Customers of whom only shared or outside identifiers are known.")
    linked_outside: int = strawberry.field(
        description="Customers linked to an id of an outside system (a DMP, a retailer, a social network)."
    )
    linked_outside_share: float = strawberry.field(description="Of all customers, 0 to 1.")
    namespaces: list[NamespaceCount]
    computed_at: DateTime | None
