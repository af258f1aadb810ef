"""Runs go through journeys: entered, held out, sent, resting, ended; each effect once."""

import asyncio
from collections import Counter
from typing import Any
from uuid import uuid4

from services.campaign.tests.integration.campaign_world import (
    SEND,
    START,
    Marketer,
    Settle,
    StandInProfile,
    entered,
    event,
    exited,
    later,
)
from sqlalchemy import text

from campaign_service.models import Base
from campaign_service.repository.runs import hold_pauses
from campaign_service.rules.arms import draw_arm
from contracts.campaign import AnswerRequested, MessageRequested, RunEnded
from servicekit.clock import FrozenClock
from servicekit.migrations import differences
from servicekit.tables import rows_follow
from servicekit.testing import RunningService


async def test_a_fifth_is_held_out_and_the_others_get_one_message_each(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    await marketer.set_up()
    facts = [entered() for _ in range(300)]
    await service.publish(facts)
    await service.publish(facts)  # the same again, as after a lost acknowledgement
    await settle()
    held_out = {fact.customer_id for fact in facts if draw_arm(fact.customer_id, "dormant", 20) == "holdout"}
    messages = await service.published(MessageRequested)
    assert Counter(message.customer_id for message in messages) == Counter(
        fact.customer_id for fact in facts if fact.customer_id not in held_out
    )
    assert len({message.message_id for message in messages}) == len(messages)
    message = messages[0]
    assert (message.campaign_key, message.template_key, message.topic) == ("dormant", "come_back", "marketing")
    assert message.anchor_id == message.customer_id
    ended = await service.published(RunEnded)
    assert len(ended) == 300
    assert {fact.customer_id for fact in ended if fact.arm == "holdout"} == held_out
    assert {fact.outcome for fact in ended} == {"completed"}
    (run,) = await marketer.runs(next(iter(held_out)))
    assert (run["arm"], run["status"], run["step"], run["outcome"]) == ("holdout", "ended", "control", "completed")


async def test_a_run_rests_asks_and_ends(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    ask = {"kind": "ask", "questionnaire_key": "nps", "template_key": "ask", "channel": "email", "topic": "survey"}
    await marketer.set_up(
        steps=[
            {"key": "rest", "kind": "wait", "days": 2, "next": "question"},
            {"key": "question", **ask, "expires_days": 30, "next": "nap"},
            {"key": "nap", "kind": "wait", "duration_seconds": 60, "next": "offer"},
            {"key": "offer", **SEND, "variables": {"season": "秋", "points": 100}},
        ]
    )
    customer = uuid4()
    await service.publish([entered(customer)])
    await settle()
    (run,) = await marketer.runs(customer)
    assert (run["step"], run["status"], run["wake_at"]) == ("rest", "active", "2026-11-03T03:00:00Z")
    assert await service.published(AnswerRequested) == []

    clock.advance(later(days=2))
    await settle()
    (question,) = await service.published(AnswerRequested)
    assert question.questionnaire_key == "nps"
    assert question.expires_at == START + later(days=32)
    assert await service.published(MessageRequested) == []

    clock.advance(later(seconds=60))
    await settle()
    (message,) = await service.published(MessageRequested)
    assert message.variables == {"season": "秋", "points": 100}
    (run,) = await marketer.runs(customer)
    assert (run["status"], run["arm"], run["outcome"], run["wake_at"]) == ("ended", "treatment", "completed", None)


async def test_a_loop_sends_again_with_another_id(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    await marketer.set_up(
        steps=[{"key": "offer", **SEND, "next": "rest"}, {"key": "rest", "kind": "wait", "days": 30, "next": "offer"}]
    )
    await service.publish([entered()])
    for _ in range(3):
        await settle()
        clock.advance(later(days=30))
    await settle()
    messages = await service.published(MessageRequested)
    assert len(messages) == 4
    assert len({message.message_id for message in messages}) == 4


async def test_what_a_run_does_later_belongs_to_the_trace_it_began_in(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    await marketer.set_up(
        steps=[{"key": "rest", "kind": "wait", "days": 3, "next": "offer"}, {"key": "offer", **SEND}],
    )
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    await service.publish([entered()], traceparent=f"00-{trace_id}-b7ad6b7169203331-01")
    await settle()
    clock.advance(later(days=3))
    await settle()
    (traceparent,) = await service.traceparents(MessageRequested)
    assert traceparent is not None
    assert trace_id in traceparent


async def test_once_is_once_and_after_days_is_again(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=[{"key": "done", "kind": "end"}])
    await marketer.set_up("again", steps=[{"key": "done", "kind": "end"}], reentry={"after_days": 7})
    customer = uuid4()
    await service.publish([entered(customer), entered(customer)])
    await settle()
    clock.advance(later(days=6))
    await service.publish([entered(customer, at=clock.now())])
    await settle()
    assert [run["journey_key"] for run in await marketer.runs(customer)] in (["winback", "again"], ["again", "winback"])
    clock.advance(later(days=1, seconds=1))
    await service.publish([entered(customer, at=clock.now())])
    await settle()
    assert Counter(run["journey_key"] for run in await marketer.runs(customer)) == {"winback": 1, "again": 2}


async def test_leaving_the_segment_ends_a_run_only_where_the_journey_says_so(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    rest: list[dict[str, Any]] = [{"key": "rest", "kind": "wait", "days": 9, "next": "offer"}, {"key": "offer", **SEND}]
    trigger = {"kind": "segment_entered", "segment_key": "going_dormant"}
    await marketer.set_up("stays", steps=rest)
    await marketer.set_up("leaves", steps=rest, trigger=trigger | {"exit_on_segment_exit": True})
    customer, other = uuid4(), uuid4()
    await service.publish([entered(customer), entered(other)])
    await settle()
    await service.publish([exited(customer, at=START + later(hours=1)), exited(other, at=START - later(hours=1))])
    await settle()
    states = {run["journey_key"]: (run["status"], run["outcome"]) for run in await marketer.runs(customer)}
    assert states == {"stays": ("active", None), "leaves": ("ended", "exited")}
    assert {run["status"] for run in await marketer.runs(other)} == {"active"}  # it came in after it had left
    (ended,) = await service.published(RunEnded)
    assert (ended.journey_key, ended.outcome) == ("leaves", "exited")
    clock.advance(later(days=9))
    await settle()
    assert len(await service.published(MessageRequested)) == 3


async def test_events_start_runs_by_name_filter_and_time(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    where = [{"property": "revenue", "comparison": "ge", "value": 100}]
    await marketer.set_up(
        steps=[{"key": "thanks", **SEND}], trigger={"kind": "event", "event": "Order Completed", "where": where}
    )
    wanted = event("Order Completed", revenue=150.5)
    old = event("Order Completed", at=START - later(days=400), revenue=150)  # a history loaded after the journey began
    await service.publish([wanted, old, event("Order Completed", revenue=99), event("Page Viewed", revenue=500)])
    await settle()
    (message,) = await service.published(MessageRequested)
    assert message.customer_id == wanted.customer_id
    async with service.database.transaction() as session:
        assert await session.scalar(text("SELECT count(*) FROM inbox")) == 3  # the page view was not even looked at


async def test_a_pause_rests_everything_and_publishing_ends_it(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=[{"key": "rest", "kind": "wait", "days": 1, "next": "offer"}, {"key": "offer", **SEND}])
    await service.publish([entered()])
    await settle()
    assert (await marketer.post("/v1/journeys/winback:pause"))["status"] == "paused"
    late = uuid4()
    await service.publish([entered(late)])
    clock.advance(later(days=2))
    await settle()
    assert await service.published(MessageRequested) == []
    assert await marketer.runs(late) == []
    assert (await marketer.post("/v1/journeys/winback:publish"))["status"] == "published"
    await settle()
    assert len(await service.published(MessageRequested)) == 1


async def test_a_new_version_is_for_new_runs(
    service: RunningService, marketer: Marketer, settle: Settle, clock: FrozenClock
) -> None:
    rest = {"key": "rest", "kind": "wait", "days": 1, "next": "offer"}
    await marketer.set_up(steps=[rest, {"key": "offer", **SEND}])
    first, second = uuid4(), uuid4()
    await service.publish([entered(first)])
    await settle()
    await marketer.set_up(steps=[rest, {"key": "offer", **SEND, "template_key": "better"}])
    await service.publish([entered(second)])
    await settle()
    clock.advance(later(days=1))
    await settle()
    messages = await service.published(MessageRequested)
    assert {message.customer_id: message.template_key for message in messages} == {first: "come_back", second: "better"}


async def test_present_members_enter_once_however_they_come_in(
    service: RunningService, marketer: Marketer, settle: Settle, profile: StandInProfile
) -> None:
    members = [(uuid4(), uuid4()) for _ in range(25)]
    profile.members["going_dormant"], profile.page = members, 10
    include = {"kind": "segment_entered", "segment_key": "going_dormant", "include_current_members": True}
    await marketer.set_up(trigger=include, steps=[{"key": "offer", **SEND}])
    # profile's own backfill says the same of some of them, and of one more
    late = uuid4()
    facts = [entered(customer, anchor=anchor, reason="backfill") for customer, anchor in members[:5]]
    await service.publish([*facts, entered(late, reason="backfill")])
    await settle()
    messages = await service.published(MessageRequested)
    assert Counter(message.customer_id for message in messages) == Counter([late, *(one for one, _ in members)])
    assert {message.anchor_id for message in messages} == {late, *(anchor for _, anchor in members)}
    await marketer.post("/v1/journeys/winback:publish")
    await settle()
    assert len(await service.published(MessageRequested)) == 26


async def test_members_by_definition_stay_out_unless_included(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    await marketer.set_up(steps=[{"key": "offer", **SEND}])
    fresh = uuid4()
    await service.publish([entered(reason="backfill"), entered(reason="definition"), entered(fresh, reason="time")])
    await settle()
    assert [message.customer_id for message in await service.published(MessageRequested)] == [fresh]


async def test_members_wait_while_profile_is_down(
    service: RunningService, marketer: Marketer, settle: Settle, profile: StandInProfile, clock: FrozenClock
) -> None:
    profile.members["going_dormant"], profile.is_down = [(uuid4(), uuid4())], True
    include = {"kind": "segment_entered", "segment_key": "going_dormant", "include_current_members": True}
    await marketer.set_up(trigger=include, steps=[{"key": "offer", **SEND}])
    await service.publish([entered()])
    await settle()
    assert len(await service.published(MessageRequested)) == 1  # runs go on
    profile.is_down = False
    clock.advance(later(seconds=31))
    service.service.resources["members"].wake()  # type: ignore[attr-defined]  # a PeriodicWorker
    await settle()
    assert len(await service.published(MessageRequested)) == 2


def test_models_and_migrations_agree(service: RunningService) -> None:
    assert differences(service.database.url, Base.metadata) == []
    assert rows_follow(Base) == dict.fromkeys(
        ("runs", "early_entries", "assignments", "message_outcomes", "coupons"), "move"
    )


async def test_a_pause_waits_for_the_batch_in_hand(service: RunningService, marketer: Marketer, settle: Settle) -> None:
    await marketer.set_up()
    async with service.database.transaction() as session:
        await hold_pauses(session)
        pausing = asyncio.create_task(marketer.post("/v1/journeys/winback:pause"))
        await asyncio.sleep(0.3)
        assert not pausing.done()
    assert (await pausing)["status"] == "paused"
