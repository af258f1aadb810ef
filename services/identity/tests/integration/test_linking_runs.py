"""Runs of probabilistic linking: in a process of their own, whoever is killed; regularly; by the engine that is set."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from services.identity.tests.linking import Desk, make_desk, pair, someone

from identity_service.app import build
from identity_service.service import linking
from identity_service.service.jobs import JobRunner
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running

TWICE_KNOWN = 5


@pytest.fixture
async def desk(front_door: RunningService) -> Desk:
    """A base in which five persons are known twice, and nobody at work on it."""
    desk = await make_desk(front_door)
    await desk.customers([someone(number) | {"street": "9"} for number in range(TWICE_KNOWN)], source="crm")
    return desk


def children(parent: int) -> list[int]:
    """Processes that score, started by this one."""
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, IndexError):
            status = (directory / "stat").read_text().rpartition(")")[2].split()
            if int(status[1]) == parent and status[0] != "Z" and linking.PROCESS in (directory / "cmdline").read_text():
                found.append(int(directory.name))
    return found


def _is_there(process: int) -> bool:
    return Path(f"/proc/{process}").exists()


async def scoring(parent: int) -> int:
    """Wait for a process that scores."""
    async with asyncio.timeout(60):
        while not (found := children(parent)):  # noqa: ASYNC110 - nothing else to wait for
            await asyncio.sleep(0.01)
    return found[0]


@asynccontextmanager
async def working(desk: Desk) -> AsyncIterator["asyncio.Task[None]"]:
    """Somebody takes up jobs."""
    database, clock = desk.service.database, desk.service.clock
    kind = linking.linking_job(clock=clock, new_id=desk.new_id, partitions=16)
    runner = JobRunner(database=database, clock=clock, kinds={linking.JOB_KIND: kind}, poll_seconds=0.05)
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    try:
        yield task
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


async def ask(desk: Desk, kind: str = "full") -> str:
    started = await desk.post("/v1/linking/runs", {"kind": kind}, status=202)
    return str(started["run_id"])


async def assert_linked_once(desk: Desk, run: dict[str, object]) -> None:
    assert (run["linked"], run["to_review"]) == (TWICE_KNOWN, 0)
    [[decisions, moves]] = await desk.rows("SELECT (SELECT count(*) FROM decisions), (SELECT count(*) FROM moves)")
    assert (decisions, moves) == (TWICE_KNOWN, TWICE_KNOWN)
    assert len(await desk.candidates("linked")) == TWICE_KNOWN
    assert await desk.rows("SELECT FROM linking_results") == []


async def test_a_scoring_process_that_is_killed_is_started_again(desk: Desk) -> None:
    async with working(desk):
        run_id = await ask(desk)
        os.kill(await scoring(os.getpid()), signal.SIGKILL)
        await assert_linked_once(desk, await desk.ended(run_id))


async def test_a_process_that_is_killed_every_time_ends_the_run_with_a_sentence(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "_ATTEMPTS", 1)
    async with working(desk):
        run_id = await ask(desk)
        os.kill(await scoring(os.getpid()), signal.SIGKILL)
        run = await desk.ended(run_id, state="failed")
    assert "memory" in run["problem"]
    assert await desk.rows("SELECT FROM decisions") == []


async def test_a_worker_put_down_between_two_pairs_is_followed_by_one_that_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(linking, "_STRETCH", 1)
    async with working(desk) as worker:
        run_id = await ask(desk)
        async with asyncio.timeout(60):
            while not await desk.rows("SELECT FROM decisions"):  # noqa: ASYNC110 - nothing else to wait for
                await asyncio.sleep(0.001)
        worker.cancel()
        await asyncio.gather(worker, return_exceptions=True)
    [[attempt]] = await desk.rows("SELECT cursor::jsonb ->> 'attempt' FROM jobs")
    async with working(desk):
        await assert_linked_once(desk, await desk.ended(run_id))
    assert [[attempt]] == [list(row) for row in await desk.rows("SELECT cursor::jsonb ->> 'attempt' FROM jobs")]


async def test_a_cancelled_run_ends_its_process_and_lets_another_begin(desk: Desk) -> None:
    async with working(desk):
        run_id = await ask(desk)
        await scoring(os.getpid())
        run = await desk.get(f"/v1/linking/runs/{run_id}")
        await desk.post(f"/v1/jobs/{run['job_id']}:cancel", {})
        await desk.ended(run_id, state="cancelled")
        async with asyncio.timeout(30):
            while children(os.getpid()):  # noqa: ASYNC110 - nothing else to wait for
                await asyncio.sleep(0.01)
        await assert_linked_once(desk, await desk.ended(await ask(desk)))


async def test_kill_9_of_the_service_ends_its_process_too_and_another_service_goes_on(environment: Environment) -> None:
    async with running(build, Settings, environment, workers=False) as service:
        desk = await make_desk(service)
        await desk.customers([someone(number) | {"street": "9"} for number in range(TWICE_KNOWN)], source="crm")
        run_id = await ask(desk)
        killed = await _start_worker(service)
        process = await scoring(killed.pid)
        killed.kill()
        await killed.wait()
        async with asyncio.timeout(30):
            while _is_there(process):  # noqa: ASYNC110 - nothing else to wait for
                await asyncio.sleep(0.01)
        second = await _start_worker(service)
        try:
            await assert_linked_once(desk, await desk.ended(run_id))
        finally:
            second.terminate()
            await second.wait()


async def _start_worker(service: RunningService) -> asyncio.subprocess.Process:
    """`python -m identity_service work` on the service's own database."""
    settings = service.service.settings
    variables = {
        "NATS_URL": settings.nats_url,
        "DATABASE_URL": service.database.url,
        "JWKS_FILE": str(settings.jwks_file),
        "SECRET_FILE": str(service.environment.directory / "secret"),
        "PORT": "0",
    }
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "identity_service",
        "work",
        env=os.environ | {f"IDENTITY_{name}": value for name, value in variables.items()},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )


async def test_an_engine_that_is_not_there_is_said_so(desk: Desk) -> None:
    await desk.thresholds(upper=0.95, lower=0.5, engine="spark", spark_master="local[1]")
    async with working(desk):
        run = await desk.ended(await ask(desk), state="failed")
    assert "spark" in run["problem"].lower()


async def test_an_empty_base_is_a_run_without_pairs(front_door: RunningService) -> None:
    desk = Desk(front_door)
    await desk.source("shop")
    async with working(desk):
        run = await desk.ended(await ask(desk, "incremental"))
    assert (run["records"], run["linked"], run["to_review"], run["precision_estimate"]) == (0, 0, 0, None)


async def test_new_customers_are_linked_regularly_when_it_is_set(environment: Environment, clock: FrozenClock) -> None:
    async with running(build, Settings, environment, clock=clock, linking_every_minutes=60) as service:
        desk = await make_desk(service)
        one, other = await pair(desk)
        runs = await _started(desk, runs=1)
        await desk.ended(runs[0]["run_id"])
        clock.advance(timedelta(minutes=59))
        assert not await _start_due(desk, timedelta(hours=1))
        clock.advance(timedelta(minutes=1))
        assert await _start_due(desk, timedelta(hours=1))
        runs = await _started(desk, runs=2)
        assert [run["kind"] for run in runs] == ["incremental", "incremental"]
        await desk.ended(runs[0]["run_id"])
        assert await desk.are_one(one, other)


async def _start_due(desk: Desk, every: timedelta) -> bool:
    return await linking.start_due_run(desk.service.database, every=every, clock=desk.service.clock, new_id=desk.new_id)


async def _started(desk: Desk, *, runs: int) -> list[dict[str, str]]:
    async with asyncio.timeout(30):
        while len(found := (await desk.get("/v1/linking/runs"))["items"]) < runs:  # noqa: ASYNC110 - nothing else
            await asyncio.sleep(0.02)
    return list(found)
