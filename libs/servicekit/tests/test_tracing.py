"""Spans continue what rows and messages remember, and hold no words of a row."""

from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from servicekit import tracing
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.telemetry import WithoutMessages, trace_statements

ADDRESS = "hanako@example.jp"
PARENTS = [f"00-{number:032x}-{number:016x}-01" for number in range(1, 51)]


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    """Where finished spans go."""
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[TracerProvider]:
    """Tracing as a service has it, statements included."""
    processor = SimpleSpanProcessor(WithoutMessages(exporter))
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(processor)
    monkeypatch.setattr(tracing, "tracer", provider.get_tracer("test"))
    trace_statements(Resource.create(), processor)
    yield provider
    AsyncPGInstrumentor().uninstrument()  # type: ignore[no-untyped-call]  # theirs is untyped


@pytest.fixture
async def connection(postgres: EmbeddedPostgres, provider: TracerProvider) -> AsyncIterator[asyncpg.Connection]:
    """A connection with a table that knows an address."""
    connection = await asyncpg.connect(postgres.url())
    await connection.execute("CREATE TEMPORARY TABLE addresses (address text PRIMARY KEY)")
    await connection.execute("INSERT INTO addresses VALUES ($1)", ADDRESS)
    yield connection
    await connection.close()


def finished(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def test_the_first_trace_is_continued_and_others_are_linked(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    with tracing.continue_traces("batch", [None, "no trace", PARENTS[0], PARENTS[0], PARENTS[1], None]):
        inside = tracing.current_traceparent()
    span = finished(exporter)["batch"]
    assert span.context is not None
    assert span.parent is not None
    assert (span.context.trace_id, span.parent.span_id) == (1, 1)
    assert [link.context.trace_id for link in span.links] == [2]
    assert inside == f"00-{1:032x}-{span.context.span_id:016x}-01"


def test_links_are_bounded_and_nothing_remembered_starts_a_trace(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    with tracing.continue_traces("many", PARENTS):
        pass
    with tracing.continue_traces("none", [None]):
        pass
    assert len(finished(exporter)["many"].links) == 31
    assert finished(exporter)["none"].parent is None


async def test_statements_show_neither_parameters_nor_what_a_driver_says_of_rows(
    exporter: InMemorySpanExporter, connection: asyncpg.Connection
) -> None:
    with (
        pytest.raises(asyncpg.UniqueViolationError, match=ADDRESS),
        tracing.continue_traces("work", PARENTS[:1]),
    ):
        await connection.execute("INSERT INTO addresses VALUES ($1)", ADDRESS)
    spans = finished(exporter)
    assert set(spans) == {"INSERT", "work"}
    statement = spans["INSERT"]
    assert statement.attributes is not None
    assert statement.attributes["db.statement"] == "INSERT INTO addresses VALUES ($1)"
    assert statement.context is not None
    assert statement.context.trace_id == 1
    for span in spans.values():
        assert span.status.status_code is StatusCode.ERROR
        assert [(event.attributes or {})["exception.type"] for event in span.events] == [
            "asyncpg.exceptions.UniqueViolationError"
        ]
        assert ADDRESS not in span.to_json()


async def test_statements_outside_of_a_trace_make_no_span(
    exporter: InMemorySpanExporter, connection: asyncpg.Connection
) -> None:
    assert await connection.fetchval("SELECT count(*) FROM addresses") == 1
    assert exporter.get_finished_spans() == ()
