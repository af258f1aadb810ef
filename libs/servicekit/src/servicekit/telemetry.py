"""Logs without personal data, traces when a collector is named (OTEL_EXPORTER_OTLP_ENDPOINT)."""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import Status

ALLOWED_LOG_KEYS_NOTE = "identifiers of ours (UUIDs, keys of configured things), counts, durations, names of errors"

_PERSONAL = {
    "value",
    "values",
    "email",
    "phone",
    "name",
    "address",
    "properties",
    "traits",
    "body",
    "payload",
    "subject",
    "recipient",
    "variables",
    "answers",
    "token",
    "write_key",
    "authorization",
    "password",
    "user_id",
    "anonymous_id",
    "identifier",
    "identifiers",
    "url",
    "query",
}


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """structlog processor: whatever is logged under a name that may hold personal data is replaced."""
    for key in event:
        if key.lower() in _PERSONAL:
            event[key] = "[redacted]"
    return event


def _add_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        event["trace_id"] = f"{context.trace_id:032x}"
    return event


def configure_logging(service: str, level: str) -> None:
    """JSON lines on standard output; libraries' records come through without their arguments' values."""
    number = getattr(logging, level.upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            redact,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(
        level=max(number, logging.WARNING),
        format=f'{{"service":"{service}","library":"%(name)s","level":"%(levelname)s"}}',
    )
    logging.getLogger("nats").setLevel(logging.CRITICAL)


def configure_tracing(service: str, version: str) -> None:
    """Export spans by OTLP over HTTP when an endpoint is set; otherwise spans cost next to nothing."""
    if not (os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or os.environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")):
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (
        OTLPSpanExporter,  # imports take 60 ms: only when used
    )

    resource = Resource.create({"service.name": f"kizuna-{service}", "service.version": version})
    processor = BatchSpanProcessor(WithoutMessages(OTLPSpanExporter()))
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(processor)
    trace.set_tracer_provider(provider)
    trace_statements(resource, processor)


def trace_statements(resource: Resource, processor: SpanProcessor) -> None:
    """A span for each SQL statement that is part of a trace: its text, never its parameters.

    Statements outside of one (workers looking for work, several a second) would each be a trace of their own.
    """
    from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor

    within_traces = TracerProvider(resource=resource, sampler=ParentBased(root=ALWAYS_OFF), shutdown_on_exit=False)
    within_traces.add_span_processor(processor)
    instrumentor = AsyncPGInstrumentor(capture_parameters=False)  # type: ignore[no-untyped-call]  # theirs is untyped
    instrumentor.instrument(tracer_provider=within_traces)


class WithoutMessages(SpanExporter):
    """Takes the words of exceptions out of spans: a driver's may quote a row. Their types stay."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Pass the spans on."""
        return self._inner.export([_without_messages(span) for span in spans])

    def shutdown(self) -> None:
        """Let the exporter end."""
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Wait for the exporter."""
        return self._inner.force_flush(timeout_millis)


_WORDS = ("exception.message", "exception.stacktrace")


def _without_messages(span: ReadableSpan) -> ReadableSpan:
    if not span.events and not span.status.description:
        return span
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=span.attributes,
        events=[_without_words(event) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _without_words(event: Event) -> Event:
    kept = {name: value for name, value in (event.attributes or {}).items() if name not in _WORDS}
    return Event(event.name, kept, event.timestamp)
