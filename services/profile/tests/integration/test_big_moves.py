"""A customer with very many events moves in chunks: nobody else waits, nothing is concluded before all are there."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from services.profile.tests.profile_facts import event, moved

from contracts.profile import SegmentEntered, SegmentExited
from profile_service.models import Base
from servicekit import moves
from servicekit.tables import rows_follow
from servicekit.testing import RunningService

EVENTS = 12_000
MANY = {"kind": "event_count", "event": "Page Viewed", "comparison": "ge", "value": EVENTS}
SOME = {"kind": "event_count", "event": "Page Viewed", "comparison": "ge", "value": 100}
FILL = """
INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, properties)
SELECT $1, $3::timestamptz - n * interval '1 minute', gen_random_uuid(), $2, 'page', 'Page Viewed', 'web', '{}'
FROM generate_series(1, $4::int) AS n
"""


async def _until(holds: Callable[[], Awaitable[Any]]) -> None:
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110  # another process' work has no event to wait for
            await asyncio.sleep(0.02)


async def test_others_go_on_and_nothing_is_concluded_before_everything_has_arrived(profile: RunningService) -> None:
    now, headers = profile.clock.now(), profile.headers()
    for key, condition in (("many", MANY), ("some", SOME)):
        await profile.client.put(f"/v1/segments/{key}", json={"name": key, "condition": condition}, headers=headers)
        await profile.client.post(f"/v1/segments/{key}:publish", headers=headers)
    left, reached, other, anchor = uuid4(), uuid4(), uuid4(), uuid4()
    connection, holder = await profile.database.connect(), await profile.database.connect()
    await connection.execute(FILL, left, anchor, now, EVENTS)

    async def count(customer_id: UUID) -> int:
        found: int = await connection.fetchval("SELECT count(*) FROM events WHERE customer_id = $1", customer_id)
        return found

    async with holder.transaction():  # the last rows cannot move yet
        await holder.execute("SELECT FROM events ORDER BY occurred_at LIMIT 10 FOR UPDATE")
        await profile.publish([moved(anchor, former=left, to=reached, occurred_at=now)])
        await _until(lambda: count(reached))
        await profile.publish(
            [event(other, "Page Viewed", now), event(reached, "Page Viewed", now - timedelta(days=1))]
        )
        await _until(lambda: count(other))
        assert 0 < await count(left) < EVENTS, "one half is here, the other there"
        assert await connection.fetchval("SELECT count(*) FROM outbox") == 0
        assert await connection.fetchval("SELECT count(*) FROM segment_memberships") == 0
    await profile.drain()
    assert (await count(left), await count(reached)) == (0, EVENTS + 1)
    entered = await profile.published(SegmentEntered)
    assert sorted((fact.segment_key, fact.customer_id, fact.reason) for fact in entered) == [
        ("many", reached, "move"),
        ("some", reached, "move"),
    ]
    await profile.publish([moved(anchor, former=reached, to=left, version=2, occurred_at=now, reason="undo")])
    await profile.drain()
    assert (await count(left), await count(reached)) == (EVENTS, 1)
    said = [(fact.segment_key, fact.customer_id) for fact in await profile.published(SegmentExited)]
    assert sorted(said) == [("many", reached), ("some", reached)]
    assert len(await profile.published(SegmentEntered)) == 4
    await connection.close()
    await holder.close()


async def test_rows_are_found_and_moved_by_their_indexes(profile_at_rest: RunningService) -> None:
    connection = await profile_at_rest.database.connect()
    anchor = uuid4()
    await connection.execute(FILL, uuid4(), anchor, profile_at_rest.clock.now(), 5000)
    await connection.execute("ANALYZE")
    moving = [table for table, choice in rows_follow(Base).items() if choice == "move"]
    assert {"events", "static_list_members", "trait_observations"} <= set(moving)
    for table in moving:
        async with connection.transaction():
            await connection.execute(moves._BY_INDEX)
            found = await _plan(connection, moves._FIND_ROWS.format(table=table), [anchor], 5000)
            assert f"Index Scan using {table}_anchor" in found
            assert "Seq Scan" not in found
            changed = await _plan(connection, moves._MOVE_ROWS.format(table=table), ["(0,1)"], [uuid4()])
            assert f"Tid Scan on {table}" in changed
            assert "Seq Scan" not in changed
    await connection.close()


async def _plan(connection: asyncpg.Connection, sql: str, *values: object) -> str:
    return "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {sql}", *values))
