"""Requests and responses of campaign's REST interface."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self
from uuid import UUID

from pydantic import Field, StringConstraints

from campaign_service.models import Campaign, Journey
from campaign_service.rules.definition import Definition, Reentry, Step, Trigger
from contracts.campaign import Arm
from servicekit.http import Answer, Body, Key

NO_NUL = r"^[^\x00]*$"  # PostgreSQL stores every character but this one
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=NO_NUL)]
Url = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s\x00]+$")]
JourneyStatus = Literal["draft", "published", "paused"]


class CreativeBody(Body):
    """What customers are shown."""

    name: Line
    medium: Line
    headline: Annotated[str, StringConstraints(max_length=500, pattern=NO_NUL)] | None = None
    body: Annotated[str, StringConstraints(max_length=20_000, pattern=NO_NUL)] | None = None
    url: Url | None = None


class CreativeAnswer(Answer):
    """A creative."""

    key: str
    name: str
    medium: str
    headline: str | None
    body: str | None
    url: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class CreativeList(Answer):
    """Every creative, by key."""

    items: list[CreativeAnswer]


class Goal(Body):
    """What customers shall do: `event` within `window_days` of their assignment; `sum_property` is what it brings."""

    event: Line
    sum_property: Line | None = None
    window_days: Annotated[int, Field(ge=1, le=3660)]


class CampaignBody(Body):
    """Something done for customers with a goal."""

    name: Line
    goal: Goal
    creative_keys: Annotated[list[Key], Field(max_length=100)] = Field(default_factory=list)


class CampaignAnswer(Answer):
    """A campaign."""

    key: str
    name: str
    goal: Goal
    creative_keys: list[str]
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, campaign: Campaign) -> Self:
        """Describe a stored campaign."""
        goal = Goal(
            event=campaign.goal_event, sum_property=campaign.goal_sum_property, window_days=campaign.goal_window_days
        )
        return cls(
            key=campaign.key,
            name=campaign.name,
            goal=goal,
            creative_keys=campaign.creative_keys,
            version=campaign.version,
            created_at=campaign.created_at,
            updated_at=campaign.updated_at,
        )


class CampaignList(Answer):
    """Every campaign, by key."""

    items: list[CampaignAnswer]


class CampaignKeys(Body):
    """The campaigns of a batch read."""

    keys: Annotated[list[Key], Field(min_length=1, max_length=1000)]


class CampaignEntry(Answer):
    """One requested key."""

    key: str
    campaign: CampaignAnswer | None


class CampaignBatch(Answer):
    """One entry per requested key, in order."""

    campaigns: list[CampaignEntry]


class JourneyBody(Definition):
    """A journey's draft."""


class JourneyAnswer(Answer):
    """A journey: its draft, and which version customers enter."""

    key: str
    name: str
    campaign_key: str
    trigger: Trigger
    reentry: Reentry
    steps: list[Step]
    status: JourneyStatus
    version: int
    published_version: int | None
    published_at: datetime | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, journey: Journey) -> Self:
        """Describe a stored journey."""
        return cls.model_validate(journey.definition | _stored_fields(journey))


def _stored_fields(journey: Journey) -> dict[str, Any]:  # values of several types
    names = ("key", "status", "version", "published_version", "published_at", "created_at", "updated_at")
    return {name: getattr(journey, name) for name in names}


class JourneyList(Answer):
    """Every journey, by key."""

    items: list[JourneyAnswer]


class RunAnswer(Answer):
    """One customer's way through a journey."""

    run_id: UUID
    journey_key: str
    journey_name: str
    journey_version: int
    campaign_key: str
    arm: Arm | None
    step: str
    status: Literal["active", "ended"]
    started_at: datetime
    wake_at: datetime | None
    ended_at: datetime | None
    outcome: Literal["completed", "exited", "merged"] | None


class CustomerJourneys(Answer):
    """One requested customer's runs, newest first, at most 100."""

    customer_id: UUID
    journeys: list[RunAnswer]


class JourneysBatch(Answer):
    """One entry per requested customer, in order."""

    customers: list[CustomerJourneys]


class HoldoutResults(Answer):
    """One arm: customers assigned to it, and what they bought in the goal's window since."""

    customers: int
    purchasers: int
    purchases: int
    revenue: Decimal


class TreatmentResults(HoldoutResults):
    """And how many of them messages reached, who opened, who clicked, and whom none reached because one failed."""

    reached: int
    opened: int
    clicked: int
    failed: int


class Lift(Answer):
    """Share of customers who bought, treatment minus holdout, with Newcombe's interval; None where a group is empty."""

    metric: Literal["conversion_rate"] = "conversion_rate"
    treatment: float | None
    holdout: float | None
    difference: float | None
    low: float | None
    high: float | None
    relative: float | None
    """The difference as a share of the holdout's rate."""
    confidence: float


class RevenueLift(Answer):
    """Revenue per customer, treatment minus holdout. Welch's interval."""

    difference: float | None
    low: float | None
    high: float | None


class CouponResults(Answer):
    """Codes issued, and how many of them were redeemed."""

    issued: int
    redeemed: int


class CampaignResults(Answer):
    """Did it work. `as_of`: purchases are known up to then for everybody; None until they were read once."""

    campaign_key: str
    treatment: TreatmentResults
    holdout: HoldoutResults
    lift: Lift
    revenue_lift: RevenueLift
    mixed: int
    """Customers of both arms who turned out to be one; they count in the arm assigned first."""
    coupons: CouponResults
    as_of: datetime | None


class RefreshAnswer(Answer):
    """How many assignments will be read again; they are when `as_of` has reached `requested_at`."""

    campaign_key: str
    assignments: int
    requested_at: datetime
