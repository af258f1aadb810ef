"""Long work: asked for in a request, done by a worker, taken over by another when that one dies."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.repository import jobs as repository
from identity_service.repository.jobs import JOBS_CHANNEL, StartedJob
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.database import TRANSIENT_ERRORS, Database, is_transient, raw
from servicekit.errors import Conflict, NotFound, ServiceError
from servicekit.workers import describe, first_of

log = structlog.get_logger(__name__)

Json = dict[str, Any]
"""What a job is told and what it answers: JSON objects that its kind defines."""


class JobEnded(Exception):
    """The job was cancelled, or another worker goes on with it: whoever works on it here stops."""


class RunningJob:
    """A job as its function sees it. `cursor` is what the last report said, also when a worker before said it."""

    def __init__(self, started: StartedJob, *, database: Database) -> None:
        self.job_id = started.job_id
        self.kind = started.kind
        self.parameters: Json = started.parameters
        self.cursor: Json = started.cursor
        self.done = started.done
        self.total = started.total
        self.created_by = started.created_by
        self.cancelled = False
        """Set before the function is interrupted because somebody cancelled the job."""
        self.database = database

    async def read_again(self) -> None:
        """Learn what was committed last: a report whose commit failed is not.

        Raises:
            JobEnded: nothing more is to be done here.
        """
        async with self.database.transaction() as session:
            present = await repository.find_progress(await raw(session), self.job_id)
        if present is None:
            raise JobEnded
        self.done, self.total, self.cursor = present

    async def report(
        self,
        done: int,
        total: int | None = None,
        cursor: Json | None = None,
        *,
        session: AsyncSession | None = None,
    ) -> None:
        """Commit how far the job is. None leaves `total` or `cursor` as it is.

        With a `session` the report is part of that transaction: the work of a stretch and the cursor behind it are
        committed together, so that a worker that takes over neither repeats nor leaves out anything.

        Raises:
            JobEnded: nothing more is to be done here. Let it pass.
        """
        if session is None:
            async with self.database.transaction() as own:
                await self.report(done, total, cursor, session=own)
            return
        following = self.cursor if cursor is None else cursor
        is_ours = await repository.save_progress(
            await raw(session),
            self.job_id,
            done=done,
            total=self.total if total is None else total,
            cursor=following,
            former_cursor=self.cursor,
        )
        if not is_ours:
            raise JobEnded
        self.done, self.cursor = done, following
        self.total = self.total if total is None else total


JobFunction = Callable[[RunningJob], Awaitable[Json]]
"""Does a job's work and returns its result. It may be interrupted (cancelled task) at every await and begun again
from the last cursor: its effects are idempotent, and what it started (a child process) it ends in `finally`."""


async def enqueue(
    session: AsyncSession, kind: str, parameters: Json, *, by: str, clock: Clock, new_id: Callable[[], UUID]
) -> UUID:
    """Queue a job in this transaction; a worker takes it up once that commits. Return its id."""
    job_id = new_id()
    await repository.insert_job(await raw(session), job_id, kind, parameters, by=by, at=clock.now())
    return job_id


async def get_job(session: AsyncSession, job_id: UUID) -> Json:
    """Return a job.

    Raises:
        NotFound: there is no such job.
    """
    job = await repository.find_job(await raw(session), job_id)
    if job is None:
        raise NotFound(f"There is no job {job_id}.", field="job_id")
    return job


async def list_jobs(session: AsyncSession, *, kind: str | None, first: int, after: str | None) -> Page[Json]:
    """Return a page of jobs, the newest first.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    last = decode_cursor(after, datetime, UUID) if after else None
    found = await repository.list_jobs(await raw(session), after=last, kind=kind, limit=first + 1)
    return cut_page(found, first, lambda job: (job["created_at"], job["job_id"]))


async def cancel_job(session: AsyncSession, job_id: UUID, *, clock: Clock) -> Json:
    """Cancel a job; what it has done so far stays done. Cancelling a cancelled job changes nothing.

    Raises:
        NotFound: there is no such job.
        Conflict: it has ended already.
    """
    if not await repository.cancel_job(await raw(session), job_id, at=clock.now()):
        ended = await get_job(session, job_id)
        if ended["state"] != "cancelled":
            raise Conflict(f"The job has ended already: it is {ended['state']}.", field="job_id")
    return await get_job(session, job_id)


class JobRunner:
    """Takes up jobs of the kinds it knows, the oldest first, `at_once` at a time.

    A job belongs to whoever holds its advisory lock, which ends with this worker's connection: after a crash the next
    worker finds the job running without a lock and goes on from its cursor. A worker that lost its connection unawares
    cannot write any more, because the cursor is no longer the one it knows.
    """

    name = "jobs"

    def __init__(
        self,
        *,
        database: Database,
        clock: Clock,
        kinds: Mapping[str, JobFunction],
        at_once: int = 2,
        poll_seconds: float = 5,
        retry_seconds: float = 2,
    ) -> None:
        self._database = database
        self._clock = clock
        self._kinds = kinds
        self._at_once = at_once
        self._poll_seconds = poll_seconds
        self._retry_seconds = retry_seconds
        self._working: dict[UUID, tuple[RunningJob, asyncio.Task[None]]] = {}
        self._woken = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until told to stop; jobs in hand are put down at once and go on from their cursors elsewhere."""
        connection = await self._database.connect()
        try:
            await connection.add_listener(JOBS_CHANNEL, self._wake)
            connection.add_termination_listener(self._wake)
            while not stop.is_set():
                self._woken.clear()
                await self._put_down(connection)
                await self._take_up(connection)
                await first_of(self._woken, stop, seconds=self._poll_seconds)
        finally:
            await self._interrupt(list(self._working))
            self._working.clear()
            with suppress(*TRANSIENT_ERRORS, TimeoutError):
                await connection.close(timeout=2)

    def _wake(self, *_: object) -> None:  # what asyncpg and asyncio pass is of no interest
        self._woken.set()

    async def _put_down(self, connection: asyncpg.Connection) -> None:
        """Let go of jobs that ended, here or by being cancelled."""
        if not self._working:
            return
        running = await repository.find_running(connection, list(self._working))
        for job_id in self._working.keys() - running:
            self._working[job_id][0].cancelled = True
        await self._interrupt(self._working.keys() - running)
        for job_id in [job_id for job_id, (_, task) in self._working.items() if task.done()]:
            del self._working[job_id]
            await repository.unlock_job(connection, job_id)

    async def _interrupt(self, job_ids: "set[UUID] | list[UUID]") -> None:
        tasks = [self._working[job_id][1] for job_id in job_ids]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _take_up(self, connection: asyncpg.Connection) -> None:
        if len(self._working) >= self._at_once:
            return
        for job_id in await repository.find_open_jobs(connection, self._kinds, without=self._working, limit=100):
            if len(self._working) >= self._at_once:
                return
            if not await repository.try_lock_job(connection, job_id):
                continue
            started = await repository.start_job(connection, job_id, at=self._clock.now())
            if started is None:
                await repository.unlock_job(connection, job_id)
                continue
            job = RunningJob(started, database=self._database)
            task = asyncio.create_task(self._work(job), name=f"job {job.kind}")
            task.add_done_callback(self._wake)
            self._working[job_id] = job, task

    async def _work(self, job: RunningJob) -> None:
        """Do a job to its end; trouble that passes (a lost connection) is waited out, other trouble ends it."""
        while True:
            try:
                return await self._try(job)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("job_waits", kind=job.kind, job_id=str(job.job_id), error=describe(error))
                await asyncio.sleep(self._retry_seconds)

    async def _try(self, job: RunningJob) -> None:
        try:
            await job.read_again()
            result = await self._kinds[job.kind](job)
            state, problem = "done", None
        except JobEnded:
            return
        except Exception as error:
            if is_transient(error):
                raise
            log.error("job_failed", kind=job.kind, job_id=str(job.job_id), error=describe(error))
            result, state, problem = None, "failed", _said(error)
        async with self._database.transaction() as session:
            await repository.finish_job(
                await raw(session),
                job.job_id,
                state=state,
                result=result,
                problem=problem,
                cursor=job.cursor,
                at=self._clock.now(),
            )


def _said(error: Exception) -> str:
    """What may be shown of a failure: our own sentences; others' messages may hold personal data."""
    if isinstance(error, ServiceError):
        return error.detail
    return f"The job failed ({type(error).__name__}). The service's log says where."
