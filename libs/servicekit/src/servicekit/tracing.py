"""Traces that outlive their request: a message or a row remembers its trace, and who takes it up later continues it.

Spans hold names and counts: never a query string, a parameter of a statement, or a value somebody sent.
"""

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager

from opentelemetry import propagate, trace
from opentelemetry.context import Context

_MAX_LINKS = 31
"""Of a batch from many traces so many are linked: a span stays small."""

tracer = trace.get_tracer(__name__)


def current_traceparent() -> str | None:
    """Return the W3C trace context of the current span, if there is one: what a message or a row remembers."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def continue_traces(
    name: str,
    traceparents: Iterable[str | None],
    *,
    kind: trace.SpanKind = trace.SpanKind.CONSUMER,
    attributes: Mapping[str, str | int] | None = None,
) -> AbstractContextManager[trace.Span]:
    """Open a span for things taken up together: it continues the first remembered trace and links the others."""
    context, links = _contexts(traceparents)
    return tracer.start_as_current_span(name, context=context, links=links, kind=kind, attributes=attributes)


def _contexts(traceparents: Iterable[str | None]) -> tuple[Context | None, list[trace.Link]]:
    first: Context | None = None
    links: list[trace.Link] = []
    for traceparent in dict.fromkeys(traceparents):
        if not traceparent:
            continue
        context = propagate.extract({"traceparent": traceparent})
        remembered = trace.get_current_span(context).get_span_context()
        if not remembered.is_valid:
            continue
        if first is None:
            first = context
        elif len(links) < _MAX_LINKS:
            links.append(trace.Link(remembered))
        else:
            break
    return first, links
