"""P2: from the front door to the timeline with live segments, against COPY of the same events into one indexed table;
and what a trace costs: CPU seconds per event with and without tracing.

The limit is taken twice: into the timeline's own table (four indexes: what storing these events costs at
the least), and into a bare table with a primary key and one index.
"""

import asyncio
import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import psutil

from kizuna_local import event_log
from kizuna_local.addresses import Addresses
from kizuna_local.home import Home
from kizuna_local.real_parts import build_nats
from servicekit.migrations import migrate
from servicekit.nats import NatsConnection
from tests.bench.ingest import body, http_requests_per_second
from tests.bench.report import Ratio
from tests.running_platform import RunningPlatform

PROFILE_MIGRATIONS = Path(__file__).parents[2] / "services" / "profile" / "migrations"
BODIES = 200
EVENTS = BODIES * 100


def configure(platform: RunningPlatform) -> None:
    """Five live segments over the events that come."""
    conditions: dict[str, dict[str, Any]] = {
        "two-orders": {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 2},
        "big-spender": {
            "kind": "event_sum",
            "event": "Order Completed",
            "property": "revenue",
            "comparison": "ge",
            "value": "200",
        },
        "bought-lately": {"kind": "event_last", "event": "Order Completed", "position": "within", "days": 30},
        "went-away": {"kind": "event_last", "event": "Order Completed", "position": "before", "days": 90},
        "often-lately": {
            "kind": "event_count",
            "event": "Order Completed",
            "comparison": "ge",
            "value": 3,
            "window": {"days": 60},
        },
    }
    with platform.client("profile") as client:
        for key, condition in conditions.items():
            assert client.put(f"/v1/segments/{key}", json={"name": key, "condition": condition}).is_success
            assert client.post(f"/v1/segments/{key}:publish", json={}).is_success


def events_on_timelines(platform: RunningPlatform) -> int:
    """How many events profile has."""
    with platform.client("profile") as client:
        return int(client.get("/v1/totals").json()["events"])


def events_per_second(platform: RunningPlatform, write_key: str, start: int) -> float:
    """Send EVENTS events and wait until each is on its timeline (its segments are live in the same transaction)."""
    before = events_on_timelines(platform)
    bodies = [body(start + number) for number in range(BODIES)]
    began = time.perf_counter()
    asyncio.run(_send_and_wait(platform, write_key, bodies))
    seconds = time.perf_counter() - began
    assert events_on_timelines(platform) == before + EVENTS, "the log is empty, but events are missing"
    return EVENTS / seconds


async def _send_and_wait(platform: RunningPlatform, write_key: str, bodies: list[bytes]) -> None:
    await http_requests_per_second(platform, write_key, bodies)
    administrator = build_nats(Home(platform.home), Addresses.from_environment(platform.environment))
    connection = NatsConnection(administrator.url_for(event_log.ADMINISTRATOR), name="bench")
    await connection.start()
    await connection.connected()
    try:
        async with asyncio.timeout(120):
            # in this order: what the first one hands on is in the second one's stream before the first is done
            for stream, consumer in (("ingest", "identity"), ("identity", "profile")):
                await _wait_until_done(connection, stream, consumer)
    finally:
        await connection.close()


async def _wait_until_done(connection: NatsConnection, stream: str, consumer: str) -> None:
    while True:
        info = await connection.jetstream.consumer_info(stream, consumer)
        if not info.num_pending and not info.num_ack_pending:
            return
        await asyncio.sleep(0.02)


@dataclass(frozen=True)
class Table:
    """A table to COPY into: its name, columns, and a row of it for an event."""

    name: str
    columns: tuple[str, ...]
    row: Callable[[dict[str, Any]], tuple[object, ...]]


OCCURRED_AT = datetime(2026, 11, 1, tzinfo=UTC)
CUSTOMERS = {f"bench-{number}": uuid4() for number in range(2000)}
TIMELINE = Table(
    "events",
    ("customer_id", "occurred_at", "event_id", "anchor_id", "kind", "name", "source_id", "revenue", "properties"),
    lambda event: (
        *(
            CUSTOMERS[event["userId"]],
            OCCURRED_AT,
            uuid4(),
            CUSTOMERS[event["userId"]],
            "track",
            event["event"],
            "bench",
        ),
        *(event["properties"]["revenue"], json.dumps(event["properties"])),
    ),
)
BARE = Table(
    "bare_events",
    ("event_id", "customer_id", "name", "occurred_at", "properties"),
    lambda event: (
        *(uuid4(), CUSTOMERS[event["userId"]], event["event"], OCCURRED_AT, json.dumps(event["properties"])),
    ),
)


async def prepare(database_url: str) -> None:
    """Make the bare table beside the timeline's."""
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "CREATE TABLE bare_events (event_id uuid PRIMARY KEY, customer_id uuid NOT NULL, name text NOT NULL, "
        "occurred_at timestamptz NOT NULL, properties jsonb NOT NULL)"
    )
    await connection.execute("CREATE INDEX ON bare_events (customer_id, occurred_at DESC)")
    await connection.close()


async def copied_rows_per_second(database_url: str, table: Table, start: int) -> float:
    """COPY the same events into a table, in one statement."""
    events = [event for number in range(BODIES) for event in json.loads(body(start + number))["batch"]]
    lines = ("\t".join(map(str, table.row(event))).replace("\\", "\\\\") + "\n" for event in events)
    content = io.BytesIO("".join(lines).encode())
    connection = await asyncpg.connect(database_url)
    try:
        began = time.perf_counter()
        await connection.copy_to_table(table.name, columns=table.columns, source=content)
        return len(events) / (time.perf_counter() - began)
    finally:
        await connection.close()


def measure(platform: RunningPlatform, write_key: str, database_url: str) -> list[Ratio]:
    """P2 in five pairs, with five live segments; the same runs of ours against both limits."""
    configure(platform)
    migrate(database_url, PROFILE_MIGRATIONS)
    asyncio.run(prepare(database_url))
    numbers = iter(range(20_000_000, 90_000_000, BODIES))
    events_per_second(platform, write_key, next(numbers))  # the first one fills caches on both sides
    what = "ingest to timeline and segments"
    timeline = Ratio("P2", what, "COPY into the timeline's table", 0.1, "events/s")
    bare = Ratio("P2", what, "COPY into a table with one index", None, "events/s")
    timeline.measure(
        lambda: events_per_second(platform, write_key, next(numbers)),
        lambda: asyncio.run(copied_rows_per_second(database_url, TIMELINE, next(numbers))),
    )
    bare.ours = timeline.ours
    bare.limit = [asyncio.run(copied_rows_per_second(database_url, BARE, next(numbers))) for _ in timeline.ours]
    return [timeline, bare]


def cpu_seconds(platform: RunningPlatform) -> float:
    """CPU time of every process of the platform so far, user and system."""
    total = 0.0
    for process in platform.processes():
        try:
            times = process.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def cpu_per_event(platform: RunningPlatform, write_key: str, start: int) -> float:
    """CPU microseconds of the whole platform for one event on its way to the timeline."""
    before = cpu_seconds(platform)
    events_per_second(platform, write_key, start)
    return (cpu_seconds(platform) - before) / EVENTS * 1e6
