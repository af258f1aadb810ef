"""Identity under test, on the real PostgreSQL and NATS."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from identity_service.app import build
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


@dataclass
class Sender:
    """A source that sends events."""

    service: RunningService
    source_id: str
    write_key: str

    async def send(self, *events: dict[str, Any], **envelope: Any) -> dict[str, Any]:
        """Send a batch that must be taken; return the answer."""
        answer = await self.service.client.post(
            "/v1/batch", json={"batch": list(events), **envelope}, auth=(self.write_key, "")
        )
        assert answer.status_code == 200, answer.text
        result: dict[str, Any] = answer.json()
        return result

    async def resolve(self, *events: dict[str, Any], **envelope: Any) -> None:
        """Send a batch and wait until it is resolved."""
        await self.send(*events, **envelope)
        await self.service.drain()


@pytest.fixture
def clock() -> FrozenClock:
    """Time stands still unless a test moves it."""
    return FrozenClock(NOW)


@pytest.fixture
async def identity(environment: Environment, clock: FrozenClock) -> AsyncIterator[RunningService]:
    """Identity with its workers at work."""
    async with running(build, Settings, environment, clock=clock) as service:
        yield service


@pytest.fixture
async def front_door(environment: Environment, clock: FrozenClock) -> AsyncIterator[RunningService]:
    """Identity with nobody resolving."""
    async with running(build, Settings, environment, clock=clock, workers=False) as service:
        yield service


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]:
    """Wait until something holds, for at most 20 seconds."""

    async def wait(condition: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(20):
            while not await condition():  # noqa: ASYNC110 - there is nothing else to wait for
                await asyncio.sleep(0.02)

    return wait


async def make_sender(service: RunningService, source_id: str) -> Sender:
    """Make a source."""
    body = {
        "name": "Shop",
        "department": "sales",
        "brand": "kizuna",
        "legal_entity": "Kizuna Inc.",
        "purposes": ["crm"],
    }
    answer = await service.client.put(f"/v1/sources/{source_id}", json=body, headers=service.headers())
    assert answer.status_code == 201, answer.text
    return Sender(service, source_id, answer.json()["write_key"])


@pytest.fixture
async def shop(identity: RunningService) -> Sender:
    """The shop's source, resolved as it sends."""
    return await make_sender(identity, "shop")


@pytest.fixture
async def crm(identity: RunningService) -> Sender:
    """The CRM's source, resolved as it sends."""
    return await make_sender(identity, "crm")


@pytest.fixture
async def kiosk(front_door: RunningService) -> Sender:
    """A source whose requests stay in the event log."""
    return await make_sender(front_door, "kiosk")
