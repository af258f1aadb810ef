"""One platform for all stories: each test brings sources, definitions and people of its own, named after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.collector import listening_collector
from tests.e2e.traces import Traces
from tests.running_platform import RunningPlatform, running_platform


@pytest.fixture(scope="session")
def traces() -> Traces:
    """What the platform has exported."""
    return Traces()


@pytest.fixture(scope="session")
def platform(parts_directory: Path, traces: Traces) -> Iterator[RunningPlatform]:
    """The shared platform: traced, and counting its coverage every second."""
    with (
        listening_collector(traces.take) as endpoint,
        running_platform(
            parts_directory / "e2e",
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_BSP_SCHEDULE_DELAY="200",
            IDENTITY_COVERAGE_SECONDS="1",
        ) as started,
    ):
        yield started
