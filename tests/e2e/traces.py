"""The spans that a platform has exported."""

from dataclasses import dataclass, field
from threading import Lock

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(frozen=True)
class ReceivedSpan:
    """What the assertions need of a span; ids as hexadecimal text."""

    service: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    attributes: frozenset[str]


@dataclass
class Traces:
    """Every export as it came; read only when it is asked for, as most tests never ask."""

    _bodies: list[bytes] = field(default_factory=list)
    _lock: Lock = field(default_factory=Lock)

    def take(self, body: bytes) -> None:
        """Take one export in."""
        with self._lock:
            self._bodies.append(body)

    @property
    def bodies(self) -> list[bytes]:
        """What has arrived so far."""
        with self._lock:
            return list(self._bodies)

    @property
    def spans(self) -> list[ReceivedSpan]:
        """All spans that have arrived so far."""
        return [span for body in self.bodies for span in _spans(body)]

    def of(self, trace_id: str) -> list[ReceivedSpan]:
        """The spans of one trace that have arrived so far."""
        mentioned = [body for body in self.bodies if bytes.fromhex(trace_id) in body]
        return [span for body in mentioned for span in _spans(body) if span.trace_id == trace_id]


def _spans(body: bytes) -> list[ReceivedSpan]:
    return [
        _received(service.value.string_value, span)
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for service in resource.resource.attributes
        if service.key == "service.name"
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _received(service: str, span: Span) -> ReceivedSpan:
    return ReceivedSpan(
        service,
        span.name,
        span.kind,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        frozenset(attribute.key for attribute in span.attributes),
    )
