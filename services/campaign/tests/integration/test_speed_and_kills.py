"""Several thousand customers within seconds; and a process killed at any moment loses and doubles nothing."""

import asyncio
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from uuid import UUID

import pytest
from services.campaign.tests.integration.campaign_world import SEND, Marketer, StandInProfile, entered, later
from sqlalchemy import text

from campaign_service.app import build
from campaign_service.rules.arms import draw_arm
from campaign_service.service.runs import Journeying, advance_due_runs
from campaign_service.settings import Settings
from contracts.campaign import MessageRequested
from servicekit.testing import Environment, RunningService, create_database, running

CUSTOMERS = 4000


async def test_runs_go_from_holdout_to_send_by_thousands_a_second(
    environment: Environment, profile: StandInProfile
) -> None:
    async with running(build, Settings, environment, workers=False, profile_url=profile.url) as service:
        await Marketer(service).set_up()
        async with service.database.transaction() as session:
            await session.execute(
                text(
                    "INSERT INTO runs (run_id, customer_id, anchor_id, journey_key, journey_version, campaign_key,"
                    " step, visit, status, triggered_at, started_at, wake_at)"
                    " SELECT gen_random_uuid(), id, id, 'winback', 1, 'dormant',"
                    " 'control', 0, 'active', :now, :now, :now"
                    " FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, :many)) AS customers"
                ),
                {"now": service.clock.now() - later(minutes=1), "many": CUSTOMERS},
            )
        journeying = Journeying(coupon_secret=lambda: b"secret", first_reading=later(minutes=5))
        moved, begin, computed = 0, perf_counter(), process_time()
        while True:
            async with service.database.transaction() as session:
                batch = await advance_due_runs(session, now=service.clock.now(), limit=500, journeying=journeying)
            if not batch:
                break
            moved += batch
        rate = moved / (perf_counter() - begin)
        seconds = process_time() - computed
        print(f"{rate:,.0f} runs/s from holdout to send, {seconds / moved * 1e6:.0f} microseconds of CPU each")
        assert moved == CUSTOMERS
        assert rate > 500  # 2,000 and more on two idle cores; tests share theirs


class Process:
    """`python -m campaign_service work` as a process of its own."""

    def __init__(self, environment: Environment, *, database_url: str, profile_url: str) -> None:
        self._variables = {
            "CAMPAIGN_PORT": "0",
            "CAMPAIGN_DATABASE_URL": database_url,
            "CAMPAIGN_NATS_URL": environment.nats_url,
            "CAMPAIGN_JWKS_FILE": str(environment.directory / "jwks.json"),
            "CAMPAIGN_SIGNING_KEY_FILE": str(environment.directory / "campaign.pem"),
            "CAMPAIGN_PROFILE_URL": profile_url,
            "CAMPAIGN_RUN_BATCH": "50",
            "CAMPAIGN_RUN_POLL_SECONDS": "0.05",
        }
        self.started: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        self.started = subprocess.Popen(
            [sys.executable, "-m", "campaign_service", "work"],
            env=os.environ | self._variables,
            cwd=Path(__file__).parents[2],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def kill(self) -> None:
        """Kill it without warning."""
        assert self.started is not None
        self.started.send_signal(signal.SIGKILL)
        self.started.wait()


@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.slow)])
async def test_kills_lose_and_double_nothing(environment: Environment, profile: StandInProfile, kills: int) -> None:
    database_url = await create_database(environment.postgres, build)
    async with running(
        build, Settings, environment, workers=False, database_url=database_url, profile_url=profile.url
    ) as service:
        await Marketer(service).set_up(
            steps=[
                {"key": "control", "kind": "holdout", "percent": 20, "next": "first"},
                {"key": "first", **SEND, "coupon": {"prefix": "ONE"}, "next": "rest"},
                {"key": "rest", "kind": "wait", "duration_seconds": 1, "next": "second"},
                {"key": "second", **SEND, "template_key": "again"},
            ]
        )
        process = Process(environment, database_url=database_url, profile_url=profile.url)
        process.start()
        customers: list[UUID] = []
        try:
            for _ in range(kills):
                facts = [entered(at=service.clock.now()) for _ in range(1500 // kills)]
                customers += [fact.customer_id for fact in facts]
                await service.publish(facts)
                await asyncio.sleep(random.uniform(0.5, 3.0))
                process.kill()
                process.start()
            await _until_all_ended(service, len(customers))
            messages = await service.published(MessageRequested)
        finally:
            process.kill()
    expected = Counter[tuple[Any, ...]]()
    for customer in customers:
        if draw_arm(customer, "dormant", 20) == "treatment":
            expected[customer, "come_back"] += 1
            expected[customer, "again"] += 1
    unique = {message.message_id: message for message in messages}
    assert Counter((message.customer_id, message.template_key) for message in unique.values()) == expected


async def _until_all_ended(service: RunningService, many: int) -> None:
    async with asyncio.timeout(120):
        ended = 0
        while ended < many:
            await asyncio.sleep(0.2)
            async with service.database.transaction() as session:
                ended = await session.scalar(text("SELECT count(*) FROM runs WHERE status = 'ended'")) or 0
