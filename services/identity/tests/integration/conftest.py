"""Identity under test, on the real PostgreSQL and NATS."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from identity_service.app import build
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)

MakeSource = Callable[..., Awaitable[tuple[str, str]]]


@pytest.fixture
def clock() -> FrozenClock:
    """Time stands still unless a test moves it."""
    return FrozenClock(NOW)


@pytest.fixture
async def identity(environment: Environment, clock: FrozenClock) -> AsyncIterator[RunningService]:
    """Identity with its resolver at work."""
    async with running(build, Settings, environment, clock=clock) as service:
        yield service


async def make_source(service: RunningService, source_id: str = "shop") -> tuple[str, str]:
    """Make a source; return Basic credentials for its write key."""
    body = {
        "name": "Shop",
        "department": "sales",
        "brand": "kizuna",
        "legal_entity": "Kizuna Inc.",
        "purposes": ["crm"],
    }
    answer = await service.client.put(f"/v1/sources/{source_id}", json=body, headers=service.headers())
    assert answer.status_code == 201, answer.text
    return (answer.json()["write_key"], "")


async def send(
    service: RunningService, auth: tuple[str, str], events: list[dict[str, Any]], **envelope: Any
) -> dict[str, Any]:
    """Send a batch; return the answer."""
    answer = await service.client.post("/v1/batch", json={"batch": events, **envelope}, auth=auth)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result
