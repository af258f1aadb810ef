"""A running profile on the real PostgreSQL and NATS, with a clock that stands still."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from services.profile.tests.recording import Desk, desk

from profile_service.app import build
from profile_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.testing import Environment, RunningService, running

START = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)  # noon in Tokyo


@pytest.fixture
async def profile(environment: Environment) -> AsyncIterator[RunningService]:
    """Profile, serving and working."""
    clock = FrozenClock(START)
    async with running(build, Settings, environment, clock=clock, expiry_interval_seconds=0.05) as service:
        yield service


@pytest.fixture
async def profile_at_rest(environment: Environment) -> AsyncIterator[RunningService]:
    """Profile, serving, its workers not running."""
    async with running(build, Settings, environment, clock=FrozenClock(START), workers=False) as service:
        yield service


@pytest.fixture
async def a_desk(postgres: EmbeddedPostgres) -> AsyncIterator[Desk]:
    """Profile's use cases on a fresh database, without NATS."""
    async with desk(postgres, start=START, backfill_chunk=7, backfill_kept_chunk=7) as opened:
        yield opened
