"""A customer with 100,000 events moves, is backfilled or erased: what others do is recorded before that ends."""

import asyncio
from collections.abc import Callable
from uuid import UUID, uuid4

import asyncpg
import pytest
from services.profile.tests.integration.conftest import START
from services.profile.tests.integration.test_erasure import erased
from services.profile.tests.profile_facts import event, moved, purchase
from services.profile.tests.recording import Desk

from contracts.fact import Fact
from contracts.profile import SegmentEntered
from servicekit.testing import RunningService

EVENTS = 100_000
HOT, REACHED = UUID(int=1), UUID(int=2)
OTHERS = [UUID(int=number) for number in range(100, 130)]
BATCHES = 3
BOUGHT = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
FILL = """
INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, properties)
SELECT $1, $2::timestamptz - n * interval '1 minute', gen_random_uuid(), $1, 'page', 'Page Viewed', 'web', '{}'
FROM generate_series(1, $3::int) AS n
"""


async def fill(connection: asyncpg.Connection) -> None:
    """One customer with very many events."""
    await connection.execute(
        "INSERT INTO customers (customer_id, first_event_at, latest_event_at, latest_event_id, latest_anchor_id, "
        "event_count) VALUES ($1, $2, $2, $1, $1, $3)",
        HOT, START, EVENTS,
    )  # fmt: skip
    await connection.execute(FILL, HOT, START, EVENTS)
    await connection.execute("ANALYZE events")


def move_it(_: RunningService) -> Fact:
    return moved(HOT, former=HOT, to=REACHED, occurred_at=START)


def erase_it(profile: RunningService) -> Fact:
    return erased(profile, HOT)


@pytest.mark.parametrize("ask", [move_it, erase_it])
async def test_what_others_do_is_recorded_before_the_hot_customers_rows_are_where_they_belong(
    profile: RunningService, ask: Callable[[RunningService], Fact]
) -> None:
    headers = profile.headers()
    await profile.client.put("/v1/segments/bought", json={"name": "b", "condition": BOUGHT}, headers=headers)
    await profile.client.post("/v1/segments/bought:publish", headers=headers)
    connection = await profile.database.connect()
    await fill(connection)

    async def left() -> int:
        found: int = await connection.fetchval("SELECT count(*) FROM events WHERE customer_id = $1", HOT)
        return found

    async def of_others() -> int:
        found: int = await connection.fetchval(
            "SELECT count(*) FROM events WHERE customer_id = ANY($1::uuid[])", OTHERS
        )
        return found

    await profile.publish([ask(profile)])
    async with asyncio.timeout(60):
        while await left() == EVENTS:  # noqa: ASYNC110  # it begins in a task of its own
            await asyncio.sleep(0.01)
        for batch in range(1, BATCHES + 1):
            await profile.publish([purchase(person, START, 1) for person in OTHERS])
            while await of_others() < batch * len(OTHERS):  # noqa: ASYNC110  # the same
                await asyncio.sleep(0.01)
    assert await left() > 0, "it came to its end before others had their turn"
    await profile.drain()
    assert await left() == 0
    entered = {fact.customer_id for fact in await profile.published(SegmentEntered)}
    assert entered == set(OTHERS)
    await connection.close()


async def test_what_others_do_is_recorded_before_everybody_is_backfilled(a_desk: Desk) -> None:
    crowd = [uuid4() for _ in range(400)]
    connection = await a_desk.database.connect()
    await fill(connection)
    await connection.close()
    await a_desk.record([event(person, "Page Viewed", START) for person in crowd])
    await a_desk.publish_segment(
        "viewed", {"kind": "event_count", "event": "Page Viewed", "comparison": "ge", "value": 1}
    )
    backfilling = asyncio.create_task(a_desk.backfill())
    for _ in range(BATCHES):
        await a_desk.record([purchase(person, START, 1) for person in OTHERS])
    assert not backfilling.done(), "it came to its end before others had their turn"
    await backfilling
    members = await a_desk.fetch("SELECT customer_id FROM segment_memberships WHERE is_member")
    assert {row["customer_id"] for row in members} == {HOT, *crowd}
    bought = await a_desk.fetch("SELECT count(*) FROM events WHERE name = 'Order Completed'")
    assert bought[0]["count"] == BATCHES * len(OTHERS)
