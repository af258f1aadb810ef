"""P9: the outbox relay against the slower of its two halves: reading and deleting rows, and publishing batches."""

import asyncio
import json
import tempfile
import time
from pathlib import Path
from uuid import uuid4

import asyncpg
from sqlalchemy import text

from servicekit.clock import SystemClock
from servicekit.database import Database
from servicekit.embedded.nats_server import EmbeddedNats
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.metrics import Metrics
from servicekit.nats import Envelope, NatsConnection
from servicekit.relay import Relay
from servicekit.tables import service_base
from tests.bench.report import Ratio

MESSAGES = 10_000
BATCH = 500
PAYLOAD = json.dumps({"facts": [{"event_id": str(uuid4()), "text": "x" * 300}]})
FILL = """
INSERT INTO outbox (id, aggregatetype, aggregateid, type, payload, occurred_at)
SELECT gen_random_uuid(), 'customer', (n % 16)::text, 'bench.note.noted.v1', $1, $2 FROM generate_series(1, $3) n
"""


async def fill(database: Database) -> None:
    """Put MESSAGES rows into the outbox."""
    connection = await database.connect()
    await connection.execute(FILL, PAYLOAD, SystemClock().now(), MESSAGES)
    await connection.execute("VACUUM ANALYZE outbox")
    await connection.close()


async def drained_per_second(database: Database) -> float:
    """Read and delete in batches, publishing nothing."""
    await fill(database)
    connection: asyncpg.Connection = await database.connect()
    began = time.perf_counter()
    while rows := await connection.fetch("SELECT * FROM outbox ORDER BY sequence LIMIT $1", BATCH):
        await connection.execute(
            "DELETE FROM outbox WHERE sequence = ANY($1::bigint[])", [row["sequence"] for row in rows]
        )
    rate = MESSAGES / (time.perf_counter() - began)
    await connection.close()
    return rate


async def published_per_second(nats: NatsConnection) -> float:
    """Publish the same messages in batches, from memory."""
    now = SystemClock().now()
    envelopes = [
        Envelope(
            subject=f"bench.note.noted.v1.{number % 16}",
            body=PAYLOAD.encode(),
            id=str(uuid4()),
            source="/bench",
            type="bench.note.noted.v1",
            time=now,
        )
        for number in range(MESSAGES)
    ]
    began = time.perf_counter()
    for start in range(0, MESSAGES, BATCH):
        await nats.publish_all(envelopes[start : start + BATCH])
    return MESSAGES / (time.perf_counter() - began)


async def relayed_per_second(database: Database, nats: NatsConnection) -> float:
    """Let the relay empty the outbox."""
    await fill(database)
    stop = asyncio.Event()
    relay = Relay(service="bench", database=database, nats=nats, metrics=Metrics(), batch=BATCH)
    began = time.perf_counter()
    running = asyncio.create_task(relay.run(stop))
    connection = await database.connect()
    while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):  # noqa: ASYNC110  # rows, not an event
        await asyncio.sleep(0.01)
    rate = MESSAGES / (time.perf_counter() - began)
    stop.set()
    await running
    await connection.close()
    return rate


def measure() -> Ratio:
    """P9 in five pairs, on its own durable PostgreSQL and NATS."""
    ratio = Ratio("P9", "outbox relay", "min(drain, publish)", 0.5, "messages/s")
    with tempfile.TemporaryDirectory(prefix="kizuna-") as directory:
        Path(directory).chmod(0o755)
        with (
            EmbeddedPostgres(Path(directory) / "postgres") as postgres,
            EmbeddedNats(Path(directory) / "nats") as server,
        ):
            asyncio.run(_measure(ratio, postgres.url(), server.url))
    return ratio


async def _measure(ratio: Ratio, database_url: str, nats_url: str) -> None:
    database, nats = Database(database_url), NatsConnection(nats_url, name="bench")
    async with database.engine.begin() as connection:
        await connection.run_sync(service_base().metadata.create_all)
        await connection.execute(text("SELECT 1"))
    await nats.start()
    await nats.connected()
    await nats.jetstream.add_stream(name="bench", subjects=["bench.>"], allow_atomic=True)
    for _ in range(5):
        ratio.ours.append(await relayed_per_second(database, nats))
        ratio.limit.append(min(await drained_per_second(database), await published_per_second(nats)))
    await nats.close()
    await database.close()
