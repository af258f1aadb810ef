"""What identity itself puts into the event log: id syncs and imported lists, as the front door puts requests."""

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from opentelemetry.trace import SpanKind, get_tracer

from contracts.topology import INGEST_SUBJECT
from identity_service.errors import UNAVAILABLE
from identity_service.service.tracking import request_headers
from servicekit.errors import Unavailable
from servicekit.nats import NatsConnection
from servicekit.tracing import current_traceparent

MAX_REQUEST_BYTES = 400 * 1024
"""Of one message; the event log takes at most 1 MB."""
_STREAM, _CONSUMER = "ingest", "identity"
_START, _END = b'{"batch":[', b"]}"
tracer = get_tracer(__name__)


class Appended(NamedTuple):
    """A request that is in the event log: how many events it holds, and its place there."""

    request_id: UUID
    events: int
    sequence: int


class EventLog:
    """Appends events of a source to the event log; returns once JetStream has them."""

    def __init__(self, nats: NatsConnection) -> None:
        self._nats = nats

    async def waiting(self) -> int:
        """Return how many requests the resolver has still to take.

        Raises:
            Any of errors.UNAVAILABLE: the event log is down.
        """
        info = await self._nats.jetstream.consumer_info(_STREAM, _CONSUMER)
        return (info.num_pending or 0) + (info.num_ack_pending or 0)

    async def is_resolved(self, sequence: int) -> bool:
        """Tell whether the resolver is done with all requests up to this place of the event log.

        Raises:
            Any of errors.UNAVAILABLE: the event log is down.
        """
        info = await self._nats.jetstream.consumer_info(_STREAM, _CONSUMER)
        is_past = info.ack_floor is not None and info.ack_floor.stream_seq >= sequence
        return is_past or not (info.num_pending or info.num_ack_pending)

    async def append(
        self,
        events: Sequence[bytes],
        *,
        kind: str,
        source_id: str,
        received_at: datetime,
        request_id: Callable[[int], UUID],
    ) -> list[Appended]:
        """Append events in order, in as many requests as their size asks for. `request_id` names the n-th of them.

        A request that is there already, by its id, stays where it is.

        Raises:
            Unavailable: the event log is down or full; whether all, some or none were stored is not known.
        """
        with tracer.start_as_current_span("ingest publish", kind=SpanKind.PRODUCER):
            traceparent, appended = current_traceparent(), []
            for number, (body, size) in enumerate(_bodies(events)):
                request = request_id(number)
                headers = request_headers(request, kind=kind, source_id=source_id, received_at=received_at)
                headers["Nats-Msg-Id"] = str(request)
                if traceparent:
                    headers["traceparent"] = traceparent
                try:
                    stored = await self._nats.jetstream.publish(INGEST_SUBJECT, body, headers=headers)
                except UNAVAILABLE as error:
                    raise Unavailable("Events cannot be stored now. Send the request again later.") from error
                appended.append(Appended(request, size, stored.seq))
            return appended


def _bodies(events: Sequence[bytes]) -> Iterator[tuple[bytes, int]]:
    """Give bodies of requests, and how many events each has."""
    part: list[bytes] = []
    size = 0
    for event in events:
        if part and size + len(event) > MAX_REQUEST_BYTES:
            yield _START + b",".join(part) + _END, len(part)
            part, size = [], 0
        part.append(event)
        size += len(event) + 1
    if part:
        yield _START + b",".join(part) + _END, len(part)
