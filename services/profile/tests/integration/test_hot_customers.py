"""A customer with very many events: its timeline pages by the index, and nobody else waits for it."""

import asyncio
from datetime import timedelta
from uuid import UUID

from services.profile.tests.integration.conftest import START
from services.profile.tests.profile_facts import event, purchase
from services.profile.tests.recording import Desk

from profile_service.service import reading, segments
from servicekit.database import load_sql

HOT, OTHERS = UUID(int=1), [UUID(int=number) for number in range(2, 32)]
EVENTS = 100_000
BOUGHT = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1, "window": {"days": 30}}
FILL = """
INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, properties)
SELECT $1, $2::timestamptz - n * interval '1 minute', gen_random_uuid(), $1, 'page', 'Page Viewed', 'web', '{}'
FROM generate_series(1, $3::int) AS n
"""


async def members(desk: Desk) -> set[UUID]:
    return {
        row["customer_id"] for row in await desk.fetch("SELECT customer_id FROM segment_memberships WHERE is_member")
    }


async def test_while_a_hot_customer_is_held_everybody_else_goes_on(a_desk: Desk) -> None:
    await a_desk.record([event(person, "Page Viewed", START) for person in (HOT, *OTHERS)])
    await a_desk.publish_segment("bought", BOUGHT)
    await a_desk.backfill()
    holder = await a_desk.database.connect()
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("SELECT FROM customers WHERE customer_id = $1 FOR UPDATE", HOT)
    waiting = asyncio.create_task(a_desk.record([purchase(HOT, START, 1)]))
    await asyncio.wait_for(a_desk.record([purchase(person, START, 1) for person in OTHERS]), 20)
    assert await members(a_desk) == set(OTHERS)
    a_desk.clock.advance(timedelta(days=31))
    await asyncio.wait_for(a_desk.expire(), 20)
    assert await members(a_desk) == set()
    assert not waiting.done()
    await transaction.rollback()
    await waiting
    await holder.close()
    await a_desk.expire()
    assert await members(a_desk) == set()


async def test_a_batch_full_of_one_customers_events_leaves_nobody_out(a_desk: Desk) -> None:
    await a_desk.publish_segment("bought", BOUGHT)
    await a_desk.backfill()
    flood = [event(HOT, "Page Viewed", START - timedelta(seconds=number)) for number in range(3000)]
    await a_desk.record([*flood[:1500], *(purchase(person, START, 1) for person in OTHERS), *flood[1500:]])
    assert await members(a_desk) == set(OTHERS)
    rows = await a_desk.fetch("SELECT customer_id, event_count FROM customers")
    assert {row["customer_id"]: row["event_count"] for row in rows} == {HOT: 3000} | dict.fromkeys(OTHERS, 1)


async def test_a_timeline_of_100_000_events_is_read_page_by_page_from_its_index(a_desk: Desk) -> None:
    await a_desk.record([event(HOT, "Page Viewed", START)])
    connection = await a_desk.database.connect()
    await connection.execute(FILL, HOT, START, EVENTS)
    await connection.execute("ANALYZE events")
    middle = START - timedelta(minutes=EVENTS // 2)
    explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {load_sql('profile_service', 'list_timelines')}"
    plan = "\n".join(row[0] for row in await connection.fetch(explain, [HOT], 51, middle, UUID(int=0)))
    await connection.close()
    assert "Index Scan Backward using events_pkey" in plan and "Sort" not in plan.split("events_pkey")[1]
    assert "Rows Removed by Filter" not in plan, "a page costs its own rows, wherever it lies"
    async with a_desk.database.transaction() as session:
        [page] = await reading.get_timelines(session, [HOT], first=50, before=(middle, UUID(int=0)))
    assert [event.occurred_at for event in page.events] == [middle - timedelta(minutes=n) for n in range(1, 51)]


async def test_nobody_is_asked_for_ever_about_a_segment_that_counts_no_more(a_desk: Desk) -> None:
    await a_desk.publish_segment("bought", BOUGHT)
    await a_desk.backfill()
    await a_desk.record([purchase(person, START, 1) for person in OTHERS])
    async with a_desk.database.transaction() as session:
        await segments.archive_segment(session, "bought", now=a_desk.clock.now())
    a_desk.clock.advance(timedelta(days=31))
    await asyncio.wait_for(a_desk.expire(), 20)  # its members have yet to leave
    await a_desk.backfill()
    assert await a_desk.fetch("SELECT FROM segment_memberships") == []
