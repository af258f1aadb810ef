"""The relay: publishes what the outbox holds, in order, and removes what JetStream has stored."""

import asyncio
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from opentelemetry.trace import SpanKind

from servicekit.clock import Clock
from servicekit.database import Database, raw
from servicekit.leases import lease
from servicekit.metrics import Metrics
from servicekit.nats import Envelope, NatsConnection
from servicekit.outbox import OUTBOX_CHANNEL
from servicekit.tracing import continue_traces
from servicekit.workers import first_of

log = structlog.get_logger(__name__)

_SELECT = """
SELECT sequence, id, type, aggregateid, payload, occurred_at, traceparent FROM outbox ORDER BY sequence LIMIT $1
"""


class Relay:
    """Sweeps ALL rows of the outbox (never by high-water mark: a slow transaction may commit a lower sequence later).

    One relay per service works at a time (lease). A crash between publishing and deleting publishes the same ids again.
    """

    name = "relay"
    _MAX_BYTES = 4 * 1024 * 1024

    def __init__(
        self,
        *,
        service: str,
        database: Database,
        nats: NatsConnection,
        metrics: Metrics,
        batch: int = 500,
        poll_seconds: float = 5,
    ) -> None:
        self._service = service
        self._database = database
        self._nats = nats
        self._metrics = metrics
        self._batch = batch
        self._poll_seconds = poll_seconds

    async def run(self, stop: asyncio.Event) -> None:
        """Publish until told to stop, and then what is left."""
        await self._nats.connected()
        async with lease(self._database, f"relay-{self._service}", stop) as connection:
            if connection is None:
                return
            woken = asyncio.Event()

            def wake(*_: Any) -> None:  # asyncpg passes connection, process id, channel, payload
                woken.set()

            await connection.add_listener(OUTBOX_CHANNEL, wake)
            connection.add_termination_listener(wake)
            while not stop.is_set():
                woken.clear()
                if await self._publish_some(connection):
                    continue
                await first_of(woken, stop, seconds=self._poll_seconds)
            while await self._publish_some(connection):
                pass

    async def _publish_some(self, connection: asyncpg.Connection) -> bool:
        rows = self._within_bytes(await connection.fetch(_SELECT, self._batch))
        if not rows:
            return False
        traces = [row["traceparent"] for row in rows]
        attributes: dict[str, str | int] = {
            "messaging.system": "nats",
            "messaging.destination.name": self._service,
            "messaging.batch.message_count": len(rows),
        }
        with continue_traces(f"{self._service} publish", traces, kind=SpanKind.PRODUCER, attributes=attributes):
            await self._nats.publish_all([self._envelope(row) for row in rows])
        await connection.execute(
            "DELETE FROM outbox WHERE sequence = ANY($1::bigint[])", [row["sequence"] for row in rows]
        )
        self._metrics.outbox_published.inc(len(rows))
        return True

    def _within_bytes(self, rows: list[asyncpg.Record]) -> list[asyncpg.Record]:
        size = 0
        for index, row in enumerate(rows):
            size += len(row["payload"])
            if size > self._MAX_BYTES and index:
                return rows[:index]
        return rows

    def _envelope(self, row: asyncpg.Record) -> Envelope:
        identifier: UUID = row["id"]
        occurred_at: datetime = row["occurred_at"]
        return Envelope(
            subject=f"{row['type']}.{row['aggregateid']}",
            body=row["payload"].encode(),
            id=str(identifier),
            source=f"/kizuna/{self._service}",
            type=row["type"],
            time=occurred_at,
            traceparent=row["traceparent"],
        )


async def read_outbox(database: Database, metrics: Metrics, *, clock: Clock) -> None:
    """Set the gauges of how many messages wait and how old the oldest fact among them is."""
    async with database.transaction() as session:
        row = await (await raw(session)).fetchrow("SELECT count(*) AS rows, min(occurred_at) AS oldest FROM outbox")
    metrics.outbox_rows.set(row["rows"])
    metrics.outbox_age.set(max(0.0, (clock.now() - row["oldest"]).total_seconds()) if row["oldest"] else 0)


async def flush_outbox(database: Database, seconds: float = 5) -> None:
    """Wait until the outbox is empty, for at most `seconds`; used at shutdown and in tests."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            connection = await database.connect()
            try:
                while await connection.fetchval("SELECT EXISTS (SELECT FROM outbox)"):  # noqa: ASYNC110  # another process empties it
                    await asyncio.sleep(0.02)
            finally:
                await connection.close()
