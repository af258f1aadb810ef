"""The sample service and its streams."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "sample" / "src"))

from sample_service.app import SampleSettings, build

from servicekit.testing import Environment, RunningService, running


def _stream(name: str, **fields: object) -> SimpleNamespace:
    defaults = {
        "max_age_seconds": 3600,
        "max_bytes": 2**28,
        "discard": "old",
        "allow_atomic": True,
        "duplicate_window_seconds": 120,
    }
    return SimpleNamespace(name=name, subjects=[f"{name}.>"], **(defaults | fields))


@pytest.fixture(scope="session")
def topology() -> Any:  # stands in for contracts.topology
    """The sample's streams."""
    consumer = SimpleNamespace(
        service="sample", stream="asking", filter_subjects=["asking.>"], ack_wait_seconds=5, max_ack_pending=1000
    )
    return SimpleNamespace(
        STREAMS=[_stream("asking"), _stream("sample")], CONSUMERS=[consumer], WRITE_KEYS_BUCKET="write_keys"
    )


@pytest.fixture
async def sample(environment: Environment) -> AsyncIterator[RunningService]:
    """The sample service, running."""
    async with running(build, SampleSettings, environment) as service:
        yield service
