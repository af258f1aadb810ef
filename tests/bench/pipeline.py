"""P2: from the front door to the timeline with live segments, against COPY of the same events into one indexed table;
and what a trace costs: CPU seconds per event with and without tracing."""

import asyncio
import io
import json
import time
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg
import psutil

from tests.bench.ingest import body, http_requests_per_second
from tests.bench.report import Ratio
from tests.running_platform import RunningPlatform

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
    asyncio.run(http_requests_per_second(platform, write_key, bodies))
    while events_on_timelines(platform) < before + EVENTS:
        time.sleep(0.05)
        assert time.perf_counter() - began < 120, "the events do not arrive"
    return EVENTS / (time.perf_counter() - began)


async def copied_rows_per_second(database_url: str, start: int) -> float:
    """COPY the same events into one table with a primary key and the timeline's index."""
    rows = [
        (uuid4(), uuid4(), event["event"], datetime(2026, 11, 1, tzinfo=UTC), json.dumps(event["properties"]))
        for number in range(BODIES)
        for event in json.loads(body(start + number))["batch"]
    ]
    text = "".join("\t".join(map(str, row)).replace("\\", "\\\\") + "\n" for row in rows).encode()
    connection = await asyncpg.connect(database_url)
    try:
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS bench_events (event_id uuid PRIMARY KEY, customer_id uuid NOT NULL, "
            "name text NOT NULL, occurred_at timestamptz NOT NULL, properties jsonb NOT NULL)"
        )
        await connection.execute(
            "CREATE INDEX IF NOT EXISTS bench_timeline ON bench_events (customer_id, occurred_at DESC)"
        )
        began = time.perf_counter()
        await connection.copy_to_table("bench_events", source=io.BytesIO(text))
        return len(rows) / (time.perf_counter() - began)
    finally:
        await connection.close()


def measure(platform: RunningPlatform, write_key: str, database_url: str) -> Ratio:
    """P2 in five pairs, with five live segments."""
    configure(platform)
    numbers = iter(range(20_000_000, 90_000_000, BODIES))
    events_per_second(platform, write_key, next(numbers))  # the first one fills caches on both sides
    return Ratio("P2", "ingest to timeline and segments", "COPY into one indexed table", 0.1, "events/s").measure(
        lambda: events_per_second(platform, write_key, next(numbers)),
        lambda: asyncio.run(copied_rows_per_second(database_url, next(numbers))),
    )


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
