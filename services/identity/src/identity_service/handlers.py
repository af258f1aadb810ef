"""What identity consumes: the event log of its own front door. Any number of resolvers share it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from time import monotonic
from uuid import UUID

import structlog
from nats.aio.msg import Msg
from opentelemetry.trace import SpanKind, get_tracer

from contracts.identity import ResolvedEvent
from identity_service.events import resolved_envelopes
from identity_service.repository.changes import ChangedMeanwhile
from identity_service.rules.tracking import InvalidBody
from identity_service.service.resolution import Arrivals, Traced, read_arrivals, rejection, resolve_batch
from identity_service.service.tracking import TrackingRequest, read_request
from servicekit.clock import Clock
from servicekit.database import Database, is_transient
from servicekit.metrics import Metrics
from servicekit.nats import PUBLISH_ERRORS, NatsConnection, PullSubscription
from servicekit.tracing import continue_traces
from servicekit.workers import describe, pause

log = structlog.get_logger(__name__)
tracer = get_tracer(__name__)

STREAM = "ingest"
_KEEP_SECONDS = 4
"""Well below the consumer's ack_wait."""
RESOLVED = ResolvedEvent.fact_type

Taken = tuple[Msg, TrackingRequest]
"""A message, to be acknowledged, and the request in it."""


class Resolver:
    """Takes requests from the event log, several at once: commits links, publishes resolved events, acknowledges.

    Other resolvers may do so, too: each request goes to one of them, and what they change is kept apart by the versions
    of the customers (docs/decisions/0010).

    A crash in between delivers the requests again, and the same resolved events are published again with the same ids.
    A batch that fails is halved until the one bad event is found, which is kept for review.
    """

    name = "resolver"
    _WINDOW = 128
    """Requests in hand at most: few enough to be resolved before the event log delivers them again."""

    def __init__(
        self,
        *,
        database: Database,
        nats: NatsConnection,
        clock: Clock,
        metrics: Metrics,
        new_id: Callable[[], UUID],
        partitions: int,
        batch_events: int,
        front_door_is_quiet: Callable[[], Awaitable[None]],
        secret: Callable[[], bytes],
    ) -> None:
        self._database = database
        self._nats = nats
        self._clock = clock
        self._metrics = metrics
        self._unreadable = metrics.dead_letters.labels(STREAM, "request")  # zero is shown too
        self._new_id = new_id
        self._partitions = partitions
        self._batch_events = batch_events
        self._front_door_is_quiet = front_door_is_quiet
        self._secret = secret

    async def run(self, stop: asyncio.Event) -> None:
        """Resolve until told to stop."""
        subscription = PullSubscription(self._nats, stream=STREAM, durable="identity", window=self._WINDOW)
        await subscription.start()
        try:
            while not stop.is_set():
                messages = await subscription.next_messages(self._WINDOW, stop)
                kept_at = monotonic()
                try:
                    for part in self._parts(await self._readable(messages)):
                        await self._front_door_is_quiet()
                        await self._take(part, stop)
                        if stop.is_set():
                            break
                        kept_at = await _keep(messages, since=kept_at)
                finally:
                    await _give_back(messages)
        finally:
            await subscription.stop()

    async def _readable(self, messages: Sequence[Msg]) -> list[Taken]:
        """Read requests back; a message that no front door of ours wrote is given up, said aloud."""
        taken: list[Taken] = []
        for message in messages:
            try:
                taken.append((message, read_request(message)))
            except (KeyError, ValueError, InvalidBody) as error:
                log.error(
                    "message_unreadable",
                    stream=STREAM,
                    sequence=message.metadata.sequence.stream,
                    error=describe(error),
                )
                self._unreadable.inc()
                await message.term()
        return taken

    def _parts(self, taken: Sequence[Taken]) -> Iterator[list[Taken]]:
        """Stretches of the log with about as many events as one transaction takes best."""
        part: list[Taken] = []
        events = 0
        for message, request in taken:
            part.append((message, request))
            events += len(request.body.events)
            if events >= self._batch_events:
                yield part
                part, events = [], 0
        if part:
            yield part

    async def _take(self, part: Sequence[Taken], stop: asyncio.Event) -> None:
        messages, requests = [message for message, _ in part], [request for _, request in part]
        attributes: dict[str, str | int] = {
            "messaging.system": "nats",
            "messaging.destination.name": STREAM,
            "messaging.batch.message_count": len(part),
        }
        traces = [request.traceparent for request in requests]
        with continue_traces("ingest process", traces, attributes=attributes):
            arrivals = read_arrivals(requests)
            delay = 0.2
            while True:
                try:
                    await self._resolve_and_publish(arrivals)
                    break
                except Exception as error:  # noqa: BLE001 - only trouble that passes gets here: bad events are put aside before
                    log.warning("batch_waits", stream=STREAM, error=describe(error), retry_in_seconds=delay)
                    if stop.is_set():
                        return
                    with suppress(*PUBLISH_ERRORS):
                        for message in messages:
                            await message.in_progress()
                    await pause(stop, delay)
                    delay = min(delay * 2, 10)
        for message in messages:
            await message.ack()
        self._metrics.consumer_lag.labels(STREAM).set(messages[-1].metadata.num_pending)

    async def _resolve_and_publish(self, arrivals: Arrivals) -> None:
        resolved = await self._resolve(arrivals)
        envelopes = resolved_envelopes(resolved, partitions=self._partitions, at=self._clock.now())
        attributes: dict[str, str | int] = {
            "messaging.system": "nats",
            "messaging.destination.name": "identity",
            "messaging.batch.message_count": len(envelopes),
        }
        with tracer.start_as_current_span("identity publish", kind=SpanKind.PRODUCER, attributes=attributes):
            await self._nats.publish_all(envelopes)
        self._metrics.facts.labels(STREAM, RESOLVED).inc(len(resolved))

    async def _resolve(self, arrivals: Arrivals) -> list[Traced]:
        try:
            return await resolve_batch(
                self._database,
                arrivals,
                clock=self._clock,
                new_id=self._new_id,
                partitions=self._partitions,
                secret=self._secret(),
            )
        except Exception as error:
            if is_transient(error) or isinstance(error, ChangedMeanwhile) or not arrivals.events:
                raise
            return await self._resolve_halves(arrivals, error)

    async def _resolve_halves(self, arrivals: Arrivals, error: Exception) -> list[Traced]:
        events = arrivals.events
        if len(events) == 1:
            bad = events[0]
            log.error("event_put_aside", stream=STREAM, event_id=str(bad.event_id), error=describe(error))
            aside = rejection(
                bad.request, bad.position, field="", detail=f"Cannot be resolved ({type(error).__name__})."
            )
            return await self._resolve(Arrivals([], [*arrivals.rejections, aside]))
        middle = len(events) // 2
        first = await self._resolve(Arrivals(events[:middle], arrivals.rejections))
        return first + await self._resolve(Arrivals(events[middle:], []))


async def _keep(messages: Sequence[Msg], *, since: float) -> float:
    """Say now and then that these are being worked on, or another resolver gets them, too. Return when that was."""
    if monotonic() - since < _KEEP_SECONDS:
        return since
    for message in messages:
        if not message.is_acked:
            with suppress(*PUBLISH_ERRORS):
                await message.in_progress()
    return monotonic()


async def _give_back(messages: Sequence[Msg]) -> None:
    """Whoever resolves next gets at once what was not finished here."""
    for message in messages:
        if not message.is_acked:
            with suppress(*PUBLISH_ERRORS):
                await message.nak()
