"""Customers who turn out to be one, and who turn out not to be."""

from collections import Counter
from typing import Any, Literal
from uuid import UUID, uuid4

from services.campaign.tests.integration.campaign_world import (
    SEND,
    START,
    Marketer,
    Settle,
    StandInProfile,
    entered,
    later,
)
from sqlalchemy import text

from campaign_service.rules.arms import draw_arm
from contracts.campaign import MessageRequested, RunEnded
from contracts.identity import AnchorMoved
from servicekit.clock import FrozenClock
from servicekit.testing import RunningService

REST_AND_SEND: list[dict[str, Any]] = [
    {"key": "control", "kind": "holdout", "percent": 50, "next": "rest"},
    {"key": "rest", "kind": "wait", "days": 1, "next": "offer"},
    {"key": "offer", **SEND},
]


def customer_of(arm: Literal["treatment", "holdout"]) -> UUID:
    while True:
        customer = uuid4()
        if draw_arm(customer, "dormant", 50) == arm:
            return customer


def moved(anchor: UUID, *, former: UUID, to: UUID, version: int = 1) -> AnchorMoved:
    return AnchorMoved(
        event_id=uuid4(),
        customer_id=to,
        anchor_id=anchor,
        occurred_at=START,
        former_customer_id=former,
        version=version,
        reason="merge",
    )


async def test_of_two_runs_the_older_goes_on(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=REST_AND_SEND)
    older, younger = customer_of("treatment"), customer_of("treatment")
    await service.publish([entered(older)])
    await settle()
    clock.advance(later(hours=1))
    await service.publish([entered(younger)])
    await settle()
    await service.publish([moved(older, former=older, to=younger)])
    await settle()
    assert await marketer.runs(older) == []
    runs = await marketer.runs(younger)
    assert [(run["status"], run["outcome"]) for run in runs] == [("ended", "merged"), ("active", None)]
    assert [fact.outcome for fact in await service.published(RunEnded)] == ["merged"]
    clock.advance(later(days=2))
    await settle()
    (message,) = await service.published(MessageRequested)
    assert (message.customer_id, message.anchor_id) == (younger, older)
    results = await marketer.get("/v1/campaigns/dormant/results")
    assert (results["treatment"]["customers"], results["mixed"]) == (1, 0)


async def test_mixed_arms_get_nothing_further_and_count_where_they_began(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=REST_AND_SEND)
    treated, held_out = customer_of("treatment"), customer_of("holdout")
    await service.publish([entered(treated)])
    await settle()
    clock.advance(later(hours=1))
    await service.publish([entered(held_out)])
    await settle()
    await service.publish([moved(held_out, former=held_out, to=treated)])
    await settle()
    clock.advance(later(days=2))
    await settle()
    assert await service.published(MessageRequested) == []
    outcomes = Counter((fact.arm, fact.outcome) for fact in await service.published(RunEnded))
    assert outcomes == {("holdout", "completed"): 1, ("treatment", "exited"): 1}
    results = await marketer.get("/v1/campaigns/dormant/results")
    assert (results["treatment"]["customers"], results["holdout"]["customers"], results["mixed"]) == (1, 0, 1)
    # nor in another journey of the campaign, not even one that holds nobody out
    await marketer.set_up("other", steps=[{"key": "offer", **SEND}])
    await service.publish([entered(treated)])
    await settle()
    assert await service.published(MessageRequested) == []

    # they were two after all: each has its arm and its run again
    await service.publish([moved(held_out, former=treated, to=held_out, version=2)])
    await settle()
    results = await marketer.get("/v1/campaigns/dormant/results")
    assert (results["treatment"]["customers"], results["holdout"]["customers"], results["mixed"]) == (1, 1, 0)
    assert [run["arm"] for run in await marketer.runs(held_out)] == ["holdout"]


async def test_late_facts_and_present_members_follow_a_move(
    service: RunningService, marketer: Marketer, settle: Settle, profile: StandInProfile
) -> None:
    anchor, former, current = uuid4(), uuid4(), uuid4()
    await service.publish([moved(anchor, former=former, to=current)])
    await settle()
    profile.members["going_dormant"] = [(former, anchor)]
    include = {"kind": "segment_entered", "segment_key": "going_dormant", "include_current_members": True}
    await marketer.set_up(trigger=include, steps=[{"key": "offer", **SEND}])
    await service.publish([entered(former, anchor=anchor)])
    await settle()
    (message,) = await service.published(MessageRequested)
    assert message.customer_id == current
    async with service.database.transaction() as session:
        assert list(await session.scalars(text("SELECT customer_id FROM assignments"))) == [current]


async def test_a_campaign_holds_out_the_same_customers_in_all_its_journeys(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    await marketer.set_up(steps=[REST_AND_SEND[0] | {"next": "offer"}, REST_AND_SEND[2]])
    await marketer.set_up("other", steps=[REST_AND_SEND[0] | {"next": "offer", "salt": "x"}, REST_AND_SEND[2]])
    facts = [entered() for _ in range(100)]
    await service.publish(facts)
    await settle()
    by_customer = Counter(message.customer_id for message in await service.published(MessageRequested))
    assert set(by_customer.values()) == {2}
    assert 20 < len(by_customer) < 80
