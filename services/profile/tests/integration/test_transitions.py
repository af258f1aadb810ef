"""Who enters and exits: once each, in turn, whatever concludes at the same time; and by time alone, exactly."""

import asyncio
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from services.profile.tests.integration.conftest import START
from services.profile.tests.plain_reading import PlainCustomer, PlainEvent, holds
from services.profile.tests.profile_facts import event, identify, purchase
from services.profile.tests.recording import Desk

from contracts.identity import ResolvedEvent
from contracts.profile import RankChanged, SegmentEntered, SegmentExited
from profile_service.handlers import from_resolved_event
from profile_service.repository.conclusions import CONDITION
from profile_service.repository.segments import list_segments
from profile_service.service.segment_sizes import SizeKeeper
from servicekit.database import raw

ORDER = "Order Completed"
SEGMENTS: dict[str, dict[str, Any]] = {
    "two-in-a-month": {
        "kind": "event_count", "event": ORDER, "comparison": "ge", "value": 2, "window": {"days": 30},
    },
    "dormant": {"kind": "event_last", "event": ORDER, "position": "before", "days": 60},
    "never-bought": {"kind": "event_count", "event": ORDER, "comparison": "eq", "value": 0},
    "near-gold": {
        "kind": "and",
        "conditions": [
            {"kind": "event_sum", "event": ORDER, "property": "revenue", "comparison": "ge", "value": 80},
            {"kind": "event_sum", "event": ORDER, "property": "revenue", "comparison": "lt", "value": 100},
        ],
    },
    "known": {"kind": "trait", "trait": "email", "comparison": "exists"},
}  # fmt: skip


def _story(seed: int, *, people: int, events: int) -> list[ResolvedEvent]:
    random = Random(seed)
    facts: list[ResolvedEvent] = []
    for _ in range(events):
        customer = UUID(int=random.randrange(1, people + 1))
        moment = START - timedelta(minutes=random.randrange(0, 100 * 24 * 60))
        kind = random.random()
        if kind < 0.7:
            facts.append(purchase(customer, moment, random.randrange(0, 60)))
        elif kind < 0.9:
            facts.append(event(customer, "Page Viewed", moment))
        else:
            facts.append(identify(customer, moment, email="someone@example.com"))
    return facts


def _members(
    facts: list[ResolvedEvent], *, now: datetime, segments: dict[str, dict[str, Any]] = SEGMENTS
) -> dict[str, set[UUID]]:
    people: dict[UUID, tuple[list[PlainEvent], dict[str, Any]]] = {}
    for fact in sorted(facts, key=lambda fact: (fact.occurred_at, fact.event_id)):
        events, traits = people.setdefault(fact.customer_id, ([], {}))
        events.append(PlainEvent(fact.name, fact.occurred_at, fact.properties))
        traits.update(fact.traits)
    return {
        key: {
            customer_id
            for customer_id, (events, traits) in people.items()
            if holds(CONDITION.validate_python(tree), PlainCustomer(events, traits), now=now, currency="USD")
        }
        for key, tree in segments.items()
    }


async def _kept(desk: Desk) -> dict[str, set[UUID]]:
    rows = await desk.fetch(
        "SELECT key, customer_id FROM segment_memberships JOIN segments USING (segment_id) WHERE is_member"
    )
    members: dict[str, set[UUID]] = {key: set() for key in SEGMENTS}
    for row in rows:
        members[row["key"]].add(row["customer_id"])
    return members


async def _assert_in_turn(desk: Desk) -> None:
    """Each customer's facts of a segment alternate, starting with entered, and end where the membership stands."""
    rows = await desk.fetch(
        "SELECT type, payload::jsonb AS body FROM outbox WHERE type LIKE 'profile.segment.%' ORDER BY sequence"
    )
    histories: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for fact in row["body"]["facts"]:
            histories.setdefault((fact["segment_key"], fact["customer_id"]), []).append(row["type"])
    kept = await _kept(desk)
    for (key, customer_id), history in histories.items():
        assert history == [(SegmentEntered, SegmentExited)[turn % 2].fact_type for turn in range(len(history))]
        assert (UUID(customer_id) in kept[key]) == (len(history) % 2 == 1)
    assert {(key, str(customer)) for key, members in kept.items() for customer in members} <= set(histories)
    await SizeKeeper(database=desk.database).step()
    async with desk.database.transaction() as session:
        assert {row.key: row.size for row in await list_segments(session)} == {key: len(kept[key]) for key in kept}


async def test_live_answers_and_those_by_time_equal_the_plain_reading(a_desk: Desk) -> None:
    for key, tree in SEGMENTS.items():
        await a_desk.publish_segment(key, tree)
    await a_desk.backfill()
    facts = _story(1, people=30, events=150)
    for start in range(0, len(facts), 15):
        await a_desk.record(facts[start : start + 15])
        assert await _kept(a_desk) == _members(facts[: start + 15], now=START)
    for _ in range(25):
        a_desk.clock.advance(timedelta(days=4, hours=7))
        await a_desk.expire()
        assert await _kept(a_desk) == _members(facts, now=a_desk.clock.now())
    await _assert_in_turn(a_desk)
    reasons = {fact.reason for fact in await a_desk.facts(SegmentExited)}
    assert reasons == {"event", "time"}


async def test_live_backfill_and_expiry_at_once_lose_and_double_nothing(a_desk: Desk) -> None:
    facts = _story(2, people=40, events=400)
    await a_desk.record(facts[:100])
    for key, tree in SEGMENTS.items():
        await a_desk.publish_segment(key, tree)

    async def record(part: list[ResolvedEvent]) -> None:
        for start in range(0, len(part), 15):
            await a_desk.record(part[start : start + 15])

    async def expire() -> None:
        for _ in range(20):
            a_desk.clock.advance(timedelta(hours=3))
            await a_desk.expire()

    async def republish() -> None:
        for days in (40, 10, 20):
            await a_desk.publish_segment("two-in-a-month", {**SEGMENTS["two-in-a-month"], "window": {"days": days}})
            await a_desk.backfill()

    async with asyncio.TaskGroup() as group:
        group.create_task(record(facts[100:250]))
        group.create_task(record(facts[250:380]))
        group.create_task(a_desk.backfill())
        group.create_task(a_desk.backfill())
        group.create_task(expire())
        group.create_task(republish())
    await a_desk.backfill()
    await record(facts[380:])
    await a_desk.expire()
    published = SEGMENTS | {"two-in-a-month": {**SEGMENTS["two-in-a-month"], "window": {"days": 20}}}
    assert await _kept(a_desk) == _members(facts, now=a_desk.clock.now(), segments=published)
    await _assert_in_turn(a_desk)


async def test_a_batch_begun_before_a_publication_follows_what_was_published(a_desk: Desk) -> None:
    shopper, looker = UUID(int=1), UUID(int=2)
    await a_desk.record([purchase(shopper, START - timedelta(days=1), 85), purchase(looker, START, 1)])
    await a_desk.publish_segment("near-gold", {**SEGMENTS["two-in-a-month"], "value": 9})
    await a_desk.backfill()
    async with a_desk.database.transaction() as session:
        await raw(session)  # the batch's transaction has begun
        await a_desk.publish_segment("near-gold", SEGMENTS["near-gold"])
        await a_desk.backfill()
        await a_desk.recorder.record(session, [from_resolved_event(purchase(looker, START, 90))])
    assert (await _kept(a_desk))["near-gold"] == {shopper, looker}


async def test_a_backfill_waits_for_a_batch_that_holds_its_customers(a_desk: Desk) -> None:
    customer = UUID(int=1)
    await a_desk.record([purchase(customer, START, 85)])
    async with a_desk.database.transaction() as session:
        await a_desk.recorder.record(session, [from_resolved_event(purchase(customer, START, 30))])
        await a_desk.publish_segment("near-gold", SEGMENTS["near-gold"])
        backfill = asyncio.create_task(a_desk.backfill())
        await asyncio.sleep(0.3)
        assert not backfill.done()
    await backfill
    assert (await _kept(a_desk))["near-gold"] == set()


async def test_the_expiry_leaves_a_customer_alone_whom_a_batch_holds(a_desk: Desk) -> None:
    customer = UUID(int=1)
    await a_desk.publish_segment("dormant", SEGMENTS["dormant"])
    await a_desk.record([purchase(customer, START, 5)])
    a_desk.clock.advance(timedelta(days=61))
    async with a_desk.database.transaction() as session:
        await a_desk.recorder.record(session, [from_resolved_event(purchase(customer, a_desk.clock.now(), 5))])
        await asyncio.wait_for(a_desk.expire(), 5)
    await a_desk.expire()
    assert await a_desk.facts(SegmentEntered) == []
    a_desk.clock.advance(timedelta(days=60))
    await a_desk.expire()
    assert len(await a_desk.facts(SegmentEntered)) == 1


async def test_a_backfill_goes_on_where_it_was_and_publishing_again_changes_nothing(a_desk: Desk) -> None:
    facts = [purchase(UUID(int=number), START - timedelta(days=1), 90) for number in range(1, 21)]
    await a_desk.record(facts)
    await a_desk.publish_segment("near-gold", SEGMENTS["near-gold"])
    assert await a_desk.backfiller.step()  # a look at everybody
    assert await a_desk.backfiller.step()  # one chunk of 7, then "killed"
    [row] = await a_desk.fetch("SELECT remaining, evaluated, finished_at FROM backfills")
    assert (row["remaining"], row["evaluated"], row["finished_at"]) == (13, 7, None)
    await a_desk.backfill()
    [row] = await a_desk.fetch("SELECT remaining, evaluated, finished_at FROM backfills")
    assert (row["remaining"], row["evaluated"]) == (0, 20) and row["finished_at"] is not None
    assert await a_desk.fetch("SELECT FROM backfill_answers") == []
    await a_desk.publish_segment("near-gold", SEGMENTS["near-gold"])
    await a_desk.backfill()
    entered = await a_desk.facts(SegmentEntered)
    assert [(fact.reason, fact.segment_version) for fact in entered] == [("backfill", 1)] * 20
    assert {fact.anchor_id for fact in entered} == {UUID(int=number) for number in range(1, 21)}


async def test_what_a_backfill_found_is_not_kept_once_it_does_not_hold_any_more(a_desk: Desk) -> None:
    changed, passed, same = UUID(int=1), UUID(int=2), UUID(int=3)
    await a_desk.record([purchase(person, START - timedelta(days=1), 85) for person in (changed, same)])
    await a_desk.record([purchase(passed, START - timedelta(days=29, hours=23), 85)])
    window = {"kind": "event_sum", "event": ORDER, "property": "revenue", "comparison": "ge", "value": 80}
    less = {"kind": "event_sum", "event": ORDER, "property": "revenue", "comparison": "lt", "value": 100}
    tree = {"kind": "and", "conditions": [{**window, "window": {"days": 30}}, less]}
    await a_desk.publish_segment("near-gold", tree)
    assert await a_desk.backfiller.step()  # the look finds all three
    await a_desk.record([purchase(changed, START, 90)])  # a member no more; nothing was kept that this could change
    a_desk.clock.advance(timedelta(hours=2))
    await a_desk.backfill()
    assert (await _kept(a_desk))["near-gold"] == {same}
    assert {fact.customer_id for fact in await a_desk.facts(SegmentEntered)} == {same}


async def test_a_backfill_whose_findings_are_lost_looks_again(a_desk: Desk) -> None:
    people = [UUID(int=number) for number in range(1, 21)]
    await a_desk.record([purchase(person, START - timedelta(days=1), 90) for person in people])
    await a_desk.publish_segment("near-gold", SEGMENTS["near-gold"])
    assert await a_desk.backfiller.step()
    assert await a_desk.backfiller.step()
    await a_desk.fetch("TRUNCATE backfill_answers")  # as a crash of the server does
    await a_desk.backfill()
    assert (await _kept(a_desk))["near-gold"] == set(people)
    assert len(await a_desk.facts(SegmentEntered)) == 20


async def test_publishing_while_somebody_looks_throws_away_what_was_found(a_desk: Desk) -> None:
    await a_desk.record([purchase(UUID(int=1), START - timedelta(days=1), 90)])
    await a_desk.publish_segment("near-gold", SEGMENTS["near-gold"])
    await a_desk.backfiller.step()
    await a_desk.publish_segment("near-gold", SEGMENTS["never-bought"])
    await a_desk.backfill()
    assert (await _kept(a_desk))["near-gold"] == set()
    assert await a_desk.facts(SegmentEntered) == []


async def test_the_highest_fulfilled_rank_wins_and_falls_when_its_window_passes(a_desk: Desk) -> None:
    def spent(amount: int, days: int | None) -> dict[str, Any]:
        tree = {"kind": "event_sum", "event": ORDER, "property": "revenue", "comparison": "ge", "value": amount}
        return tree if days is None else {**tree, "window": {"days": days}}

    customer = UUID(int=1)
    await a_desk.record([purchase(customer, START - timedelta(days=10), 70)])
    await a_desk.put_ranks([("bronze", spent(1, None)), ("silver", spent(50, 365)), ("gold", spent(100, 30))])
    await a_desk.backfill()
    await a_desk.record([purchase(customer, START - timedelta(days=5), 60)])
    a_desk.clock.advance(timedelta(days=20))
    await a_desk.expire()
    a_desk.clock.advance(timedelta(days=365))
    await a_desk.expire()
    changes = [(fact.former_rank_key, fact.rank_key) for fact in await a_desk.facts(RankChanged)]
    assert changes == [(None, "silver"), ("silver", "gold"), ("gold", "silver"), ("silver", "bronze")]
    await a_desk.put_ranks([("gold", spent(1000, None))])
    await a_desk.backfill()
    assert (await a_desk.facts(RankChanged))[-1].rank_key is None


async def test_a_future_event_counts_from_its_moment_on(a_desk: Desk) -> None:
    await a_desk.publish_segment("never-bought", SEGMENTS["never-bought"])
    await a_desk.record([purchase(UUID(int=1), START + timedelta(hours=5), 1)])
    assert len(await a_desk.facts(SegmentEntered)) == 1
    a_desk.clock.set(START + timedelta(hours=5) - timedelta(microseconds=1))
    await a_desk.expire()
    assert await a_desk.facts(SegmentExited) == []
    a_desk.clock.advance(timedelta(microseconds=1))
    await a_desk.expire()
    assert len(await a_desk.facts(SegmentExited)) == 1
