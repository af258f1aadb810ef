"""P1: the front door against JetStream itself, with the same bytes per message at the same `sync_interval`."""

import asyncio
import base64
import json
import time
from collections.abc import Awaitable, Callable

import aiohttp

from servicekit.nats import NatsConnection
from tests.bench.report import Ratio
from tests.running_platform import RunningPlatform

IN_FLIGHT = 32
REQUESTS = 1200


def body(number: int, *, size: int = 100, customers: int = 2000) -> bytes:
    """A batch of `size` orders, ids never repeated for different numbers."""
    events = [
        {
            "type": "track",
            "event": "Order Completed",
            "userId": f"bench-{(number * size + position) % customers}",
            "messageId": f"bench-{number}-{position}",
            "originalTimestamp": "2026-11-01T00:00:00Z",
            "properties": {"order_id": f"{number}-{position}", "revenue": position % 50 + 0.5, "currency": "USD"},
        }
        for position in range(size)
    ]
    return json.dumps({"batch": events, "sentAt": "2026-11-01T00:00:00Z"}).encode()


async def many(action: Callable[[int], Awaitable[None]], count: int) -> float:
    """Do `count` actions, IN_FLIGHT at a time; return actions per second."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            await action(number)

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(IN_FLIGHT)))
    return count / (time.perf_counter() - began)


async def http_requests_per_second(platform: RunningPlatform, write_key: str, bodies: list[bytes]) -> float:
    """Post the bodies to /v1/batch; every one must be accepted whole."""
    headers = {
        "Authorization": "Basic " + base64.b64encode(f"{write_key}:".encode()).decode(),
        "Content-Type": "application/json",
    }
    url = platform.url("identity") + "/v1/batch"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=IN_FLIGHT)) as session:

        async def post(number: int) -> None:
            async with session.post(url, data=bodies[number], headers=headers) as answer:
                assert answer.status == 200, await answer.text()

        return await many(post, len(bodies))


async def raw_publishes_per_second(nats_url: str, bodies: list[bytes]) -> float:
    """Publish the bodies to a stream like ingest's, waiting for each acknowledgement, IN_FLIGHT at a time."""
    connection = NatsConnection(nats_url, name="bench")
    await connection.start()
    await connection.connected()
    jetstream = connection.jetstream
    await jetstream.add_stream(name="bench", subjects=["bench.>"])
    try:

        async def publish(number: int) -> None:
            await jetstream.publish("bench.raw", bodies[number])

        return await many(publish, len(bodies))
    finally:
        await jetstream.delete_stream("bench")
        await connection.close()


def measure(platform: RunningPlatform, write_key: str, administrator_url: str) -> Ratio:
    """P1 in five pairs. The resolver works on what comes in while the front door is measured, as in life."""
    numbers = iter(range(0, 10_000_000, REQUESTS))

    def ours() -> float:
        start = next(numbers)
        return asyncio.run(http_requests_per_second(platform, write_key, [body(start + n) for n in range(REQUESTS)]))

    def limit() -> float:
        return asyncio.run(raw_publishes_per_second(administrator_url, [body(n) for n in range(REQUESTS)]))

    return Ratio(
        "P1", "HTTP ingest, 100 events a body", "JetStream publish of the same bytes", 0.5, "bodies/s"
    ).measure(ours, limit)
