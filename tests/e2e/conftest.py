"""One platform for all stories: each test brings sources, definitions and people of its own, named after it."""

from collections.abc import Iterator

import pytest

from tests.collector import listening_collector
from tests.e2e.traces import Traces
from tests.running_platform import RunningPlatform, running_platform


@pytest.fixture(scope="session")
def traces() -> Traces:
    """What the platform has exported."""
    return Traces()


@pytest.fixture(scope="session")
def platform(tmp_path_factory: pytest.TempPathFactory, traces: Traces) -> Iterator[RunningPlatform]:
    """The shared platform: traced, and counting its coverage every second."""
    home = tmp_path_factory.mktemp("e2e") / "home"
    with (
        listening_collector(traces.take) as endpoint,
        running_platform(
            home,
            OTEL_EXPORTER_OTLP_ENDPOINT=endpoint,
            OTEL_BSP_SCHEDULE_DELAY="200",
            IDENTITY_COVERAGE_SECONDS="1",
        ) as started,
    ):
        yield started
