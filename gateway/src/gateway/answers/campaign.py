"""What campaign answers."""

from __future__ import annotations

from msgspec import Struct, field

from gateway.answers.money import Money


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


class CouponsRow(Struct):
    """Codes issued, and how many of them were redeemed."""

    issued: int = 0
    redeemed: int = 0


class ResultsRow(Struct):
    """GET /v1/campaigns/{key}/results"""

    campaign_key: str
    treatment: TreatmentRow
    holdout: HoldoutRow
    lift: LiftRow | None = None
    revenue_lift: RevenueLiftRow | None = None
    coupons: CouponsRow | None = None
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
