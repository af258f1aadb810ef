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
    exited,
    later,
)
from sqlalchemy import text

from campaign_service.rules.arms import draw_arm
from campaign_service.service import entries
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


async def test_parted_customers_have_their_own_run_again_and_each_goes_on_once(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=REST_AND_SEND)
    older, younger = customer_of("treatment"), customer_of("treatment")
    await service.publish([entered(older)])
    await settle()
    clock.advance(later(hours=1))
    await service.publish([entered(younger)])
    await settle()
    for version, to in enumerate([older, younger, older, younger], start=1):  # merge, undo, merge again, undo again
        clock.advance(later(minutes=1))
        await service.publish([moved(younger, former=younger if to == older else older, to=to, version=version)])
        await settle()
    assert [(run["status"], run["outcome"]) for run in await marketer.runs(younger)] == [("active", None)]
    clock.advance(later(days=2))
    await settle()
    messages = await service.published(MessageRequested)
    assert sorted(message.customer_id for message in messages) == sorted([older, younger])
    facts = await service.published(RunEnded)
    assert Counter((fact.anchor_id, fact.outcome) for fact in facts) == {
        (younger, "merged"): 2,
        (younger, "completed"): 1,
        (older, "completed"): 1,
    }
    assert len({fact.event_id for fact in facts}) == 4  # consumers take each of them for what it is


async def test_a_run_ended_for_one_that_has_finished_since_does_not_begin_again(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=REST_AND_SEND)
    older, younger, third = customer_of("treatment"), customer_of("treatment"), uuid4()
    await service.publish([entered(older)])
    await settle()
    clock.advance(later(hours=1))
    await service.publish([entered(younger)])
    await settle()
    await service.publish([moved(younger, former=younger, to=older)])
    await settle()
    clock.advance(later(days=2))
    await settle()
    await service.publish([moved(third, former=third, to=older)])  # another move, and everything is looked at again
    await settle()
    clock.advance(later(days=2))
    await settle()
    assert len(await service.published(MessageRequested)) == 1


async def test_who_ran_in_an_arm_keeps_it_when_parted_from_whom_it_was_drawn_for(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    drawn, other = customer_of("holdout"), customer_of("treatment")
    await marketer.set_up(steps=[REST_AND_SEND[0] | {"next": "offer"}, REST_AND_SEND[2]])
    await marketer.set_up("second", steps=[REST_AND_SEND[0] | {"next": "offer"}, REST_AND_SEND[2]])
    await marketer.post("/v1/journeys/second:pause")
    await service.publish([entered(drawn)])
    await service.publish([moved(other, former=other, to=drawn)])
    await settle()
    await marketer.post("/v1/journeys/second:publish")
    await service.publish([entered(drawn, anchor=other)])  # held out, by the arm of the other anchor
    await settle()
    await service.publish([moved(other, former=drawn, to=other, version=2)])
    await settle()
    assert [run["arm"] for run in await marketer.runs(other)] == ["holdout"]
    results = await marketer.get("/v1/campaigns/dormant/results")
    assert (results["treatment"]["customers"], results["holdout"]["customers"]) == (0, 2)
    await marketer.set_up("third", steps=[{"key": "offer", **SEND}])
    await service.publish([entered(other)])
    await settle()
    assert await service.published(MessageRequested) == []


async def test_an_exit_ends_the_runs_that_are_moving_to_the_customer_and_no_others(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    leaving = {"kind": "segment_entered", "segment_key": "going_dormant", "exit_on_segment_exit": True}
    await marketer.set_up(trigger=leaving, steps=REST_AND_SEND[1:])
    one, other, anchor = uuid4(), uuid4(), uuid4()
    await service.publish([entered(one), entered(other, anchor=anchor)])
    await settle()
    statuses = text("SELECT status FROM runs ORDER BY anchor_id = :anchor")
    async with service.database.transaction() as session:
        await session.execute(  # remembered, not re-keyed yet
            text("INSERT INTO anchors VALUES (:anchor, :one, :other, 1, 1)"),
            {"anchor": anchor, "one": one, "other": other},
        )
        await entries.leave_by_segments(session, [exited(other)], {}, now=START)
        assert list(await session.scalars(statuses, {"anchor": anchor})) == ["active", "active"]
        await entries.leave_by_segments(session, [exited(one)], {}, now=START)
        assert list(await session.scalars(statuses, {"anchor": anchor})) == ["ended", "ended"]
        await session.rollback()


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
