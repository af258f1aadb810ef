"""The front door's use case: take a request of the Segment tracking API into the event log. It needs NATS only."""

import asyncio
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

import msgspec
from nats.aio.msg import Msg
from opentelemetry.trace import SpanKind, get_tracer

from contracts.topology import INGEST_SUBJECT
from identity_service.errors import UNAVAILABLE, InvalidEvent, InvalidRequest, StoreUnavailable, UnknownWriteKey
from identity_service.rules.tracking import BATCH, Body, InvalidBody, Rejected, check_events, read_body, repair
from identity_service.write_keys import WriteKeys
from servicekit.clock import Clock
from servicekit.nats import NatsConnection
from servicekit.tracing import current_traceparent

_SOURCE, _KIND, _REQUEST, _RECEIVED_AT, _REJECTED, _TRACE = (
    "Kizuna-Source",
    "Kizuna-Kind",
    "Kizuna-Request",
    "Kizuna-Received-At",
    "Kizuna-Rejected",
    "traceparent",
)
_rejected_decoder = msgspec.json.Decoder(list[Rejected])
tracer = get_tracer(__name__)


class Accepted(NamedTuple):
    """What became of a request's events."""

    accepted: int
    rejected: list[Rejected]


@dataclass(frozen=True, slots=True)
class TrackingRequest:
    """A request as it lies in the event log."""

    request_id: UUID
    source_id: str
    kind: str
    """The endpoint: a kind of event, or `batch`."""
    received_at: datetime
    traceparent: str | None
    rejected: list[Rejected]
    body: Body


class FrontDoor:
    """Checks requests and puts each into the event log as ONE message, acknowledged before it is answered."""

    _PATIENCE_SECONDS = 0.1

    def __init__(self, *, write_keys: WriteKeys, nats: NatsConnection, clock: Clock) -> None:
        self._write_keys = write_keys
        self._nats = nats
        self._clock = clock
        self._in_flight = 0
        self._quiet = asyncio.Event()
        self._quiet.set()

    async def quiet(self) -> None:
        """Wait until no request is in hand, at most _PATIENCE_SECONDS.

        Resolving shares the process with the front door (`all`): who waits for an answer goes first, but not for ever.
        """
        with suppress(TimeoutError):
            await asyncio.wait_for(self._quiet.wait(), self._PATIENCE_SECONDS)

    async def accept(self, body: bytes, *, kind: str, authorization: str) -> Accepted:
        """Take a request in; returns once JetStream has stored it.

        Raises:
            UnknownWriteKey: no write key, or one that no source has.
            InvalidRequest: the envelope is bad. InvalidEvent: the only event is.
            StoreUnavailable: the event log is down or full; nothing was stored, or that it was is not known.
        """
        self._in_flight += 1
        self._quiet.clear()
        try:
            return await self._accept(body, kind=kind, authorization=authorization)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._quiet.set()

    async def _accept(self, body: bytes, *, kind: str, authorization: str) -> Accepted:
        received_at = self._clock.now()
        body, request = _read(body, kind=kind)
        source_id = await self._source_of(basic_user(authorization) or request.write_key or _key_of_first(request))
        rejected = check_events(request, kind=kind)
        if kind != BATCH and rejected:
            raise InvalidEvent(rejected[0])
        if request.events:
            await self._publish(body, kind=kind, source_id=source_id, received_at=received_at, rejected=rejected)
        return Accepted(len(request.events) - len(rejected), rejected)

    async def _source_of(self, write_key: str | None) -> str:
        source_id = None if write_key is None else self._write_keys.source_of(write_key)
        if source_id is None and write_key is not None:
            source_id = await self._write_keys.look_up(write_key)
        if source_id is None:
            raise UnknownWriteKey
        return source_id

    async def _publish(
        self, body: bytes, *, kind: str, source_id: str, received_at: datetime, rejected: list[Rejected]
    ) -> None:
        headers = request_headers(uuid4(), kind=kind, source_id=source_id, received_at=received_at)
        if rejected:
            headers[_REJECTED] = msgspec.json.encode(rejected).decode()
        with tracer.start_as_current_span("ingest publish", kind=SpanKind.PRODUCER):
            traceparent = current_traceparent()
            if traceparent:
                headers[_TRACE] = traceparent
            try:
                await self._nats.jetstream.publish(INGEST_SUBJECT, body, headers=headers)
            except UNAVAILABLE as error:
                raise StoreUnavailable from error


def _read(body: bytes, *, kind: str) -> tuple[bytes, Body]:
    try:
        return body, read_body(body, kind=kind)
    except InvalidBody as error:
        repaired = repair(body)
        if repaired is not None:
            try:
                return repaired, read_body(repaired, kind=kind)
            except InvalidBody:
                pass
        raise InvalidRequest(error.detail, field=error.field) from None


def basic_user(authorization: str) -> str | None:
    """Return the user of Basic credentials: the write key, with an empty password."""
    if authorization[:6].lower() != "basic ":
        return None
    try:
        return b64decode(authorization[6:], validate=False).decode().partition(":")[0] or None
    except ValueError:
        return None


class _OnlyKey(msgspec.Struct, rename="camel"):
    write_key: str | None = None


def _key_of_first(body: Body) -> str | None:
    """analytics.js writes the key into every event."""
    if not body.events:
        return None
    try:
        return msgspec.json.decode(body.events[0], type=_OnlyKey).write_key
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def request_headers(request_id: UUID, *, kind: str, source_id: str, received_at: datetime) -> dict[str, str]:
    """Return the headers of a request in the event log."""
    return {_SOURCE: source_id, _KIND: kind, _REQUEST: str(request_id), _RECEIVED_AT: received_at.isoformat()}


def read_request(message: Msg) -> TrackingRequest:
    """Read a request back from the event log."""
    headers = message.headers or {}
    kind = headers[_KIND]
    rejected = headers.get(_REJECTED)
    return TrackingRequest(
        request_id=UUID(headers[_REQUEST]),
        source_id=headers[_SOURCE],
        kind=kind,
        received_at=datetime.fromisoformat(headers[_RECEIVED_AT]),
        traceparent=headers.get(_TRACE),
        rejected=_rejected_decoder.decode(rejected) if rejected else [],
        body=read_body(message.data, kind=kind),
    )
