"""Did it work: outcomes of messages, coupons redeemed, purchases read, arms compared."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from campaign_service.repository import assignments, configuration, results
from campaign_service.repository.results import ArmSums, Outcome
from campaign_service.rules.measurement import (
    CONFIDENCE,
    Interval,
    Sample,
    difference_of_means,
    difference_of_proportions,
)
from campaign_service.rules.names import same_code
from campaign_service.schemas import (
    CampaignResults,
    CouponResults,
    HoldoutResults,
    Lift,
    RefreshAnswer,
    RevenueLift,
    TreatmentResults,
)
from contracts.delivery import MessageBounced, MessageClicked, MessageFailed, MessageOpened, MessageSent
from contracts.identity import ResolvedEvent
from servicekit.errors import NotFound

PURCHASE = "Order Completed"
"""Segment's e-commerce event; its `coupon` property holds the code that was used."""

MessageFact: TypeAlias = MessageSent | MessageOpened | MessageClicked | MessageBounced | MessageFailed
Moment = Literal["sent_at", "opened_at", "clicked_at", "failed_at"]


async def record_outcomes(session: AsyncSession, facts: Sequence[MessageFact], *, moment: Moment) -> None:
    """Store what became of messages of campaigns; saying it twice changes nothing."""
    outcomes: dict[UUID, Outcome] = {}
    for fact in sorted(facts, key=lambda each: each.occurred_at):
        reason = _failure(fact)
        if fact.campaign_key is None or (moment == "failed_at" and reason is None) or fact.message_id in outcomes:
            continue
        outcome = Outcome(fact.message_id, fact.customer_id, fact.anchor_id, fact.run_id, fact.campaign_key)
        setattr(outcome, moment, fact.occurred_at)
        outcome.failure_reason = reason
        outcomes[fact.message_id] = outcome
    if outcomes:
        await results.record_outcomes(session, list(outcomes.values()))


def _failure(fact: MessageFact) -> str | None:
    if isinstance(fact, MessageFailed):
        return fact.reason
    return "bounced" if isinstance(fact, MessageBounced) and fact.kind == "hard" else None


async def redeem_coupons(session: AsyncSession, events: Sequence[ResolvedEvent]) -> None:
    """Mark the codes that purchases show as redeemed; a code nobody issued is no concern of ours."""
    purchases = [
        (same_code(code), event.event_id, event.occurred_at)
        for event in events
        if event.name == PURCHASE and isinstance(code := event.properties.get("coupon"), str) and len(code) <= 100
    ]
    if purchases:
        await results.redeem_coupons(session, purchases)


async def refresh(session: AsyncSession, key: str, *, now: datetime) -> RefreshAnswer:
    """Have the purchases of everybody in the campaign read again at once."""
    if await configuration.find_campaign(session, key) is None:
        raise NotFound(f"There is no campaign called {key}.")
    count = await assignments.make_due(session, key, now=now)
    return RefreshAnswer(campaign_key=key, assignments=count, requested_at=now)


async def compute(session: AsyncSession, key: str) -> CampaignResults:
    """Compare the arms of a campaign."""
    if await configuration.find_campaign(session, key) is None:
        raise NotFound(f"There is no campaign called {key}.")
    # before the sums: what is read meanwhile may make them newer than `as_of`, never older
    mixed, as_of = await results.describe_assignments(session, key)
    arms = await results.sum_arms(session, key)
    treatment, holdout = arms.get("treatment", ArmSums()), arms.get("holdout", ArmSums())
    messages = await results.sum_messages(session, key)
    issued, redeemed = await results.count_coupons(session, key)
    return CampaignResults(
        campaign_key=key,
        treatment=TreatmentResults(**_bought(treatment), **messages),
        holdout=HoldoutResults(**_bought(holdout)),
        lift=_lift(treatment, holdout),
        revenue_lift=_revenue_lift(treatment, holdout),
        mixed=mixed,
        coupons=CouponResults(issued=issued, redeemed=redeemed),
        as_of=as_of,
    )


def _bought(arm: ArmSums) -> dict[str, object]:
    return {
        "customers": arm.customers,
        "purchasers": arm.purchasers,
        "purchases": arm.purchases,
        "revenue": arm.revenue,
    }


def _rate(arm: ArmSums) -> float | None:
    return arm.purchasers / arm.customers if arm.customers else None


def _lift(treatment: ArmSums, holdout: ArmSums) -> Lift:
    interval = difference_of_proportions(
        treatment.purchasers, treatment.customers, holdout.purchasers, holdout.customers
    )
    base = _rate(holdout)
    return Lift(
        treatment=_rate(treatment),
        holdout=base,
        **_bounds(interval),
        relative=interval.estimate / base if interval is not None and base else None,
        confidence=CONFIDENCE,
    )


def _revenue_lift(treatment: ArmSums, holdout: ArmSums) -> RevenueLift:
    return RevenueLift(**_bounds(difference_of_means(_sample(treatment), _sample(holdout))))


def _sample(arm: ArmSums) -> Sample:
    return Sample(arm.customers, float(arm.revenue / arm.customers) if arm.customers else 0.0, float(arm.variance))


def _bounds(interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {"difference": None, "low": None, "high": None}
    return {"difference": interval.estimate, "low": interval.low, "high": interval.high}
