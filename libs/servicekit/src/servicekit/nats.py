"""NATS JetStream: one connection per process, CloudEvents headers, pulls that never wait longer than they must."""

import asyncio
import json
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic
from urllib.parse import urlsplit

import nats
import nats.errors
import nats.js.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.client import JetStreamContext

from servicekit.errors import Unavailable
from servicekit.workers import first_of

log = structlog.get_logger(__name__)

MAX_PAYLOAD_BYTES = 256 * 1024
"""A message of facts is at most this large (architecture.md)."""

PUBLISH_ERRORS: tuple[type[Exception], ...] = (nats.errors.Error, nats.js.errors.Error, asyncio.TimeoutError, OSError)


@dataclass(frozen=True, kw_only=True)
class Envelope:
    """One message ready to publish: CloudEvents 1.0 in binary mode."""

    subject: str
    body: bytes
    id: str
    source: str
    type: str
    time: datetime
    traceparent: str | None = None
    extra: dict[str, str] = field(default_factory=dict)

    def headers(self) -> dict[str, str]:
        """The message's headers; `Nats-Msg-Id` makes a repeated publish harmless within the stream's window."""
        headers = {
            "Nats-Msg-Id": self.id,
            "ce-specversion": "1.0",
            "ce-id": self.id,
            "ce-source": self.source,
            "ce-type": self.type,
            "ce-time": self.time.isoformat(),
            "content-type": "application/json",
            **self.extra,
        }
        if self.traceparent:
            headers["traceparent"] = self.traceparent
        return headers


class NatsConnection:
    """A connection that keeps trying, for as long as the process lives."""

    def __init__(self, url: str, *, name: str) -> None:
        self._url = url
        self._name = name
        self._client = Client()
        self._connecting: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()

    async def start(self) -> None:
        """Begin to connect in the background; `connected()` waits for it."""
        self._connecting = asyncio.create_task(self._connect_until_done(), name="nats-connect")

    async def _connect_until_done(self) -> None:
        delay = 0.1
        while True:
            try:
                await self._connect()
                self._connected.set()
                return
            except (TimeoutError, nats.errors.Error, OSError) as error:
                log.warning("nats_unreachable", error=type(error).__name__, retry_in_seconds=delay)
                await asyncio.sleep(delay)
                delay = min(delay * 2, 5)

    async def _connect(self) -> None:
        parts = urlsplit(self._url)

        async def forget(_: object = None) -> None:
            log.warning("nats_disconnected")

        async def report(error: Exception) -> None:
            log.warning("nats_error", error=type(error).__name__)

        await self._client.connect(
            f"nats://{parts.hostname}:{parts.port or 4222}",
            user=parts.username,
            password=parts.password,
            name=self._name,
            inbox_prefix=f"_INBOX_{parts.username or self._name}".encode(),
            max_reconnect_attempts=-1,
            reconnect_time_wait=1,
            connect_timeout=3,
            ping_interval=20,
            pending_size=64 * 1024 * 1024,
            disconnected_cb=forget,
            error_cb=report,
        )

    async def connected(self) -> None:
        """Wait for the first connection."""
        await self._connected.wait()

    @property
    def is_ready(self) -> bool:
        """True while connected."""
        return self._connected.is_set() and self._client.is_connected

    @property
    def client(self) -> Client:
        """The connected client.

        Raises:
            Unavailable: not connected.
        """
        if not self.is_ready:
            raise Unavailable("The event log (NATS) is not reachable. Try again shortly.")
        return self._client

    @property
    def jetstream(self) -> JetStreamContext:
        """JetStream on the connected client.

        Raises:
            Unavailable: not connected.
        """
        return self.client.jetstream(timeout=10)

    async def ping(self) -> None:
        """Raise unless NATS answers."""
        await self.client.flush(timeout=2)

    async def publish_all(self, envelopes: Sequence[Envelope]) -> None:
        """Publish to JetStream and wait until every message is stored. Repeating it is harmless.

        Several messages go as one atomic batch, which costs one sync of the stream instead of one each; a batch the
        server refuses (say, because it holds a known id) is published message by message.

        Raises:
            Unavailable: not connected. Any of PUBLISH_ERRORS: a message may not be stored.
        """
        if len(envelopes) == 1:
            await self._publish_one(envelopes[0])
        elif envelopes and not await self._publish_atomic(envelopes):
            await asyncio.gather(*(self._publish_one(envelope) for envelope in envelopes))

    async def _publish_one(self, envelope: Envelope) -> None:
        await self.jetstream.publish(envelope.subject, envelope.body, headers=envelope.headers())

    async def _publish_atomic(self, envelopes: Sequence[Envelope]) -> bool:
        """JetStream atomic batch (ADR-50): all messages are stored, or none. False when the server refused it."""
        client = self.client
        batch_id = client.new_inbox().rsplit(".", 1)[-1]
        for sequence, envelope in enumerate(envelopes[:-1], start=1):
            headers = envelope.headers() | {"Nats-Batch-Id": batch_id, "Nats-Batch-Sequence": str(sequence)}
            await client.publish(envelope.subject, envelope.body, headers=headers)
        last = envelopes[-1]
        headers = last.headers() | {
            "Nats-Batch-Id": batch_id,
            "Nats-Batch-Sequence": str(len(envelopes)),
            "Nats-Batch-Commit": "1",
        }
        answer = json.loads((await client.request(last.subject, last.body, timeout=10, headers=headers)).data)
        return "error" not in answer and answer.get("count") == len(envelopes)

    async def close(self) -> None:
        """Stop trying, flush what is buffered, close."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._client.is_connected:
            try:
                await self._client.flush(timeout=2)
            except PUBLISH_ERRORS:
                log.warning("nats_flush_failed")
        await self._client.close()


NO_LIMIT_BYTES = 2**63


class PullSubscription:
    """A durable consumer's messages, as they come.

    nats-py's `fetch` waits for a full batch or its timeout once a message arrived; here a standing request is kept open
    and `next_messages` returns at once with whatever is there. What arrives lies in our buffer: a message is taken
    by a caller or given back at the end, never lost in a cancelled wait.
    """

    _EXPIRES_SECONDS = 20

    def __init__(self, connection: NatsConnection, *, stream: str, durable: str, window: int = 64) -> None:
        self._connection = connection
        self._request_subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._window = window
        self._subscription: Subscription | None = None
        self._inbox = ""
        self._buffer: deque[Msg] = deque()
        self._arrived = asyncio.Event()
        self._outstanding = 0
        self._asked_at = 0.0

    async def start(self) -> None:
        """Subscribe to the private inbox the messages arrive at."""
        await self._connection.connected()
        client = self._connection.client
        self._inbox = client.new_inbox()
        self._subscription = await client.subscribe(
            self._inbox, cb=self._on_message, pending_bytes_limit=512 * 1024 * 1024
        )

    async def next_messages(self, limit: int, stop: asyncio.Event, *, limit_bytes: int = NO_LIMIT_BYTES) -> list[Msg]:
        """Return 1..limit messages as soon as there are any, or [] once `stop` is set.

        No more than fit into `limit_bytes` together, but always one.

        Raises:
            Unavailable: NATS is not connected.
        """
        while not self._buffer and not stop.is_set():
            await self._ask()
            self._arrived.clear()
            await first_of(self._arrived, stop, seconds=self._EXPIRES_SECONDS / 4)
        if stop.is_set():
            return []
        messages = [self._buffer.popleft()]
        size = len(messages[0].data)
        while self._buffer and len(messages) < limit and size + len(self._buffer[0].data) <= limit_bytes:
            messages.append(self._buffer.popleft())
            size += len(messages[-1].data)
        return messages

    async def _on_message(self, message: Msg) -> None:
        status = (message.headers or {}).get("Status") if not message.data else None
        if status is None:
            self._outstanding = max(0, self._outstanding - 1)
            self._buffer.append(message)
        elif status != "100":  # 408 expired, 404 none, 409 e.g. leadership change: that request is over
            self._outstanding = 0
            if status not in {"408", "404"}:
                log.warning("pull_refused", status=status)
                self._asked_at = monotonic() + 1 - self._EXPIRES_SECONDS  # not in a tight loop: ask again in a second
        self._arrived.set()

    async def _ask(self) -> None:
        """Keep up to `window` messages asked for; ask anew when a request went unanswered (server restarted)."""
        now = monotonic()
        stale = now - self._asked_at > self._EXPIRES_SECONDS + 2
        if self._outstanding > self._window // 2 and not stale:
            return
        wanted = self._window if stale else self._window - self._outstanding
        request = {"batch": wanted, "expires": self._EXPIRES_SECONDS * 1_000_000_000}
        await self._connection.client.publish(self._request_subject, json.dumps(request).encode(), reply=self._inbox)
        self._outstanding = wanted if stale else self._outstanding + wanted
        self._asked_at = now

    async def stop(self) -> None:
        """Unsubscribe and give back what was delivered but not taken, so that it comes again at once."""
        subscription, self._subscription = self._subscription, None
        if subscription is None or not self._connection.is_ready:
            return
        with suppress(*PUBLISH_ERRORS):
            await subscription.drain()  # type: ignore[no-untyped-call]  # nats-py
            while self._buffer:
                message = self._buffer.popleft()
                if message.reply and message.data:
                    await message.nak()
