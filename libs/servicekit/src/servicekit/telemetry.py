"""Logs without personal data, traces when a collector is named (OTEL_EXPORTER_OTLP_ENDPOINT)."""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any

import structlog
from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

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

    provider = TracerProvider(
        resource=Resource.create({"service.name": f"kizuna-{service}", "service.version": version})
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
