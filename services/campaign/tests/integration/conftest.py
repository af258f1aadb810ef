"""Campaign on real parts, beside a profile that answers over real HTTP what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from services.campaign.tests.integration.campaign_world import START, Marketer, Settle, StandInProfile
from sqlalchemy import text

from campaign_service.app import build
from campaign_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running


@pytest.fixture
async def profile(environment: Environment) -> AsyncIterator[StandInProfile]:
    """A stand-in profile on a free port."""
    stand_in = StandInProfile(environment)
    app = web.Application()
    app.router.add_get("/v1/customers", stand_in.list_customers)
    app.router.add_post("/v1/conversions:batchGet", stand_in.get_conversions)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    stand_in.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield stand_in
    await runner.cleanup()


@pytest.fixture
def clock() -> FrozenClock:
    """Time stands still until a test moves it."""
    return FrozenClock(START)


@pytest.fixture
async def service(
    environment: Environment, profile: StandInProfile, clock: FrozenClock
) -> AsyncIterator[RunningService]:
    """Campaign, running, looking for work often."""
    async with running(
        build,
        Settings,
        environment,
        clock=clock,
        profile_url=profile.url,
        run_poll_seconds=0.05,
        conversion_poll_seconds=0.05,
    ) as running_service:
        yield running_service


@pytest.fixture
def marketer(service: RunningService) -> Marketer:
    """Sets up what a test needs."""
    return Marketer(service)


@pytest.fixture
def settle(service: RunningService, clock: FrozenClock) -> Settle:
    """Wait until nothing is left to do at the clock's present moment."""

    async def wait() -> None:
        async with asyncio.timeout(30):
            while True:
                await service.drain()
                async with service.database.transaction() as session:
                    waiting = await session.scalar(
                        text(
                            "SELECT (SELECT count(*) FROM runs r JOIN journeys j ON j.key = r.journey_key"
                            " WHERE r.status = 'active' AND r.wake_at <= :now AND j.status = 'published')"
                            " + (SELECT count(*) FROM member_entries WHERE done_at IS NULL AND due_at <= :now)"
                        ),
                        {"now": clock.now()},
                    )
                if not waiting:
                    return
                await asyncio.sleep(0.02)

    return wait
