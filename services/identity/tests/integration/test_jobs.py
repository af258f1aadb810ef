"""Long work: done once, from where it stood, whoever dies in between."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from identity_service.service.jobs import JobFunction, JobRunner, RunningJob, enqueue
from servicekit.database import raw
from servicekit.errors import Invalid
from servicekit.testing import RunningService

PAGES = 20


async def ask(service: RunningService, kind: str, parameters: dict[str, Any] | None = None) -> UUID:
    async with service.database.transaction() as session:
        return await enqueue(session, kind, parameters or {}, by="tester", clock=service.clock, new_id=uuid4)


async def look(service: RunningService, job_id: UUID) -> dict[str, Any]:
    answer = await service.client.get(f"/v1/jobs/{job_id}", headers=service.headers())
    assert answer.status_code == 200, answer.text
    return answer.json()


async def reach(service: RunningService, job_id: UUID, state: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while (job := await look(service, job_id))["state"] != state:  # noqa: ASYNC110 - there is nothing else to wait for
            await asyncio.sleep(0.02)
    return job


@asynccontextmanager
async def working(service: RunningService, kinds: Mapping[str, JobFunction]) -> AsyncIterator[JobRunner]:
    runner = JobRunner(
        database=service.database, clock=service.clock, kinds=kinds, poll_seconds=0.05, retry_seconds=0.05
    )
    stop = asyncio.Event()
    task = asyncio.create_task(runner.run(stop))
    try:
        yield runner
    finally:
        stop.set()
        await asyncio.gather(task, return_exceptions=True)


class Copying:
    """Writes one row for every page, and reports each page in the transaction that wrote it."""

    def __init__(self) -> None:
        self.reached = asyncio.Event()
        self.go_on = asyncio.Event()
        self.cancelled: list[bool] = []

    async def __call__(self, job: RunningJob) -> dict[str, Any]:
        try:
            for page in range(job.cursor.get("page", 0), PAGES):
                async with job.database.transaction() as session:
                    await job.report(page + 1, PAGES, {"page": page + 1}, session=session)
                    await write_row(session, f"{job.parameters['name']}-{page}")
                if page == PAGES // 2:
                    self.reached.set()
                    await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job.cancelled)
            raise
        return {"pages": PAGES}


async def write_row(session: Any, key: str) -> None:

    await (await raw(session)).execute(
        "INSERT INTO groups (group_id, traits, source_id, occurred_at) VALUES ($1, '{}', 'test', '2026-11-20')", key
    )


async def rows(service: RunningService) -> int:
    connection = await service.database.connect()
    try:
        return await connection.fetchval("SELECT count(*) FROM groups")
    finally:
        await connection.close()


async def test_a_job_is_done_and_looked_at(front_door: RunningService) -> None:
    copying = Copying()
    async with working(front_door, {"copy": copying}):
        job_id = await ask(front_door, "copy", {"name": "a"})
        await copying.reached.wait()
        running = await reach(front_door, job_id, "running")
        assert (running["done"], running["total"], running["result"]) == (PAGES // 2 + 1, PAGES, None)
        assert (running["kind"], running["created_by"], running["finished_at"]) == ("copy", "tester", None)
        copying.go_on.set()
        done = await reach(front_door, job_id, "done")
    assert (done["done"], done["result"], done["problem"]) == (PAGES, {"pages": PAGES}, None)
    assert done["finished_at"] is not None
    assert await rows(front_door) == PAGES


async def test_a_job_whose_worker_lost_its_connection_is_taken_over_from_its_cursor(front_door: RunningService) -> None:
    """Two workers, the one at work loses the connection that holds the job: nothing is left out, nothing done twice."""
    copying, other = Copying(), Copying()
    other.go_on.set()
    async with working(front_door, {"copy": copying}):
        job_id = await ask(front_door, "copy", {"name": "a"})
        await copying.reached.wait()
        async with working(front_door, {"copy": other}):
            admin = await asyncpg.connect(front_door.database.url)
            holders = await admin.fetchval(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_locks "
                "WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database "
                "WHERE datname = current_database())"
            )
            await admin.close()
            assert holders == 1
            done = await reach(front_door, job_id, "done")
    assert (done["done"], done["result"]) == (PAGES, {"pages": PAGES})
    assert await rows(front_door) == PAGES
    assert copying.cancelled == [False]


async def test_stopping_a_worker_hands_its_job_on(front_door: RunningService) -> None:
    first, second = Copying(), Copying()
    second.go_on.set()
    async with working(front_door, {"copy": first}):
        job_id = await ask(front_door, "copy", {"name": "a"})
        await first.reached.wait()
    assert (await look(front_door, job_id))["state"] == "running"
    async with working(front_door, {"copy": second}):
        await reach(front_door, job_id, "done")
    assert await rows(front_door) == PAGES


async def test_two_workers_do_every_job_once(front_door: RunningService) -> None:
    begun: list[str] = []

    async def note(job: RunningJob) -> dict[str, Any]:
        begun.append(str(job.job_id))
        await asyncio.sleep(0)
        return {}

    job_ids = [await ask(front_door, "note") for _ in range(20)]
    async with working(front_door, {"note": note}), working(front_door, {"note": note}):
        for job_id in job_ids:
            await reach(front_door, job_id, "done")
    assert sorted(begun) == sorted(map(str, job_ids))


async def test_a_cancelled_job_stops_and_stays_cancelled(front_door: RunningService) -> None:
    copying = Copying()
    client, headers = front_door.client, front_door.headers()
    async with working(front_door, {"copy": copying}):
        job_id = await ask(front_door, "copy", {"name": "a"})
        await copying.reached.wait()
        cancelled = await client.post(f"/v1/jobs/{job_id}:cancel", headers=headers)
        assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        async with asyncio.timeout(20):
            while not copying.cancelled:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.02)
    assert copying.cancelled == [True]
    assert await rows(front_door) == PAGES // 2 + 1
    assert (await client.post(f"/v1/jobs/{job_id}:cancel", headers=headers)).json()["state"] == "cancelled"
    queued = await ask(front_door, "copy", {"name": "b"})
    assert (await client.post(f"/v1/jobs/{queued}:cancel", headers=headers)).json()["started_at"] is None


async def test_trouble_that_passes_is_waited_out_and_other_trouble_said_without_its_message(
    front_door: RunningService,
) -> None:
    tries: list[int] = []

    async def shaky(job: RunningJob) -> dict[str, Any]:
        tries.append(job.done)
        if len(tries) < 3:
            await job.report(job.done + 1)
            raise ConnectionError
        return {"tries": len(tries)}

    async def broken(_: RunningJob) -> dict[str, Any]:
        raise ValueError("hanako@example.jp")

    async def refused(_: RunningJob) -> dict[str, Any]:
        raise Invalid("Line 3 is broken.")

    async with working(front_door, {"shaky": shaky, "broken": broken, "refused": refused}):
        done = await reach(front_door, await ask(front_door, "shaky"), "done")
        failed = await reach(front_door, await ask(front_door, "broken"), "failed")
        said = await reach(front_door, await ask(front_door, "refused"), "failed")
    assert (done["result"], tries) == ({"tries": 3}, [0, 1, 2])
    assert "ValueError" in failed["problem"]
    assert "hanako" not in failed["problem"]
    assert said["problem"] == "Line 3 is broken."
    ended = await front_door.client.post(f"/v1/jobs/{said['job_id']}:cancel", headers=front_door.headers())
    assert (ended.status_code, ended.json()["errors"][0]["field"]) == (409, "job_id")


async def test_a_kind_of_a_later_version_waits_for_a_worker_that_knows_it(front_door: RunningService) -> None:
    async def note(_: RunningJob) -> dict[str, Any]:
        return {}

    async with working(front_door, {"note": note}):
        unknown, known = await ask(front_door, "unheard_of"), await ask(front_door, "note")
        await reach(front_door, known, "done")
    assert (await look(front_door, unknown))["state"] == "queued"


async def test_jobs_are_listed_page_by_page(front_door: RunningService) -> None:
    job_ids = [str(await ask(front_door, kind)) for kind in ("a", "b", "a", "a")]
    client, headers, seen, after = front_door.client, front_door.headers("identity:read"), [], None
    while True:
        params: dict[str, Any] = {"first": 2, "kind": "a"} | ({"after": after} if after else {})
        page = (await client.get("/v1/jobs", params=params, headers=headers)).json()
        seen += [job["job_id"] for job in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert sorted(seen) == sorted([job_ids[0], *job_ids[2:]])
    assert (await client.get(f"/v1/jobs/{uuid4()}", headers=headers)).status_code == 404
    assert (await client.get("/v1/jobs?after=x", headers=headers)).status_code == 422
    assert (await client.post(f"/v1/jobs/{uuid4()}:cancel", headers=front_door.headers())).status_code == 404
    assert (await client.post(f"/v1/jobs/{job_ids[0]}:cancel", headers=headers)).status_code == 403
