"""Probabilistic linking: its settings, its runs, and the job that scores the base and deals with what it finds.

A run reads and scores in a process of its own (`identity_service.linking_process`), so that this one stays small and
answers meanwhile. What it finds is kept in the database first and then dealt with in stretches, each in one transaction
with the job's cursor: whoever takes the job over goes on where it stopped.
"""

import asyncio
import json
import struct
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.models import LinkingSetting
from identity_service.repository import candidates as candidates_repository
from identity_service.repository import linking as repository
from identity_service.repository.linking import FoundPair, NewRun, RunFigures
from identity_service.schemas.linking import LinkingSettingsBody
from identity_service.service.found_pairs import PairsOfRun, deal_with
from identity_service.service.jobs import JobFunction, Json, RunningJob, enqueue
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.database import Database, raw
from servicekit.errors import Conflict, NotFound, ServiceError
from servicekit.http import check_version

log = structlog.get_logger(__name__)

JOB_KIND = "linking.run"
PROCESS = "identity_service.linking_process"
RunKind = Literal["full", "incremental"]

_OVERLAP = timedelta(minutes=5)
"""A change may be committed a while after the moment it bears: an incremental run looks back this much further."""
_STRETCH = 100
"""Pairs that are dealt with in one transaction."""
_ATTEMPTS = 3
"""How often a run is tried in all whose process is killed from outside (say, for want of memory)."""


class LinkingFailed(ServiceError):
    """A run cannot be done; the sentence says why."""

    code, title = "linking_failed", "Linking failed"


class _Killed(Exception):
    """The scoring process ended without a word."""


async def get_settings(session: AsyncSession) -> LinkingSetting:
    """Return how customers are linked by probability."""
    return await repository.find_settings(session)


async def put_settings(
    session: AsyncSession, body: LinkingSettingsBody, *, version: int | None, changed_by: str, clock: Clock
) -> LinkingSetting:
    """Change how customers are linked; it holds for runs asked for from now on. The same again changes nothing.

    Raises:
        PreconditionFailed: they have another version than demanded.
    """
    settings = await repository.lock_settings(session)
    check_version(settings.version, version)
    values = body.model_dump()
    if any(getattr(settings, name) != value for name, value in values.items()):
        settings.sqlmodel_update(
            {**values, "version": settings.version + 1, "changed_by": changed_by, "changed_at": clock.now()}
        )
        await session.flush()
    return settings


async def start_run(
    session: AsyncSession, kind: RunKind, *, by: str, clock: Clock, new_id: Callable[[], UUID]
) -> dict[str, UUID]:
    """Ask for a run; return its id and its job's.

    Raises:
        Conflict: a run is under way.
    """
    settings = await repository.lock_settings(session)
    connection = await raw(session)
    under_way = await repository.find_run_under_way(connection)
    if under_way is not None:
        raise Conflict(f"The run {under_way} is under way. Wait for it, or cancel its job.", field="kind")
    run_id = new_id()
    job_id = await enqueue(session, JOB_KIND, {"run_id": str(run_id), "kind": kind}, by=by, clock=clock, new_id=new_id)
    await repository.insert_run(
        connection,
        NewRun(
            run_id,
            job_id,
            kind,
            by,
            clock.now(),
            settings.upper,
            settings.lower,
            settings.engine,
            settings.spark_master,
            settings.across_entities,
        ),
    )
    return {"run_id": run_id, "job_id": job_id}


async def start_due_run(database: Database, *, every: timedelta, clock: Clock, new_id: Callable[[], UUID]) -> bool:
    """Ask for an incremental run when none was asked for since `every`; tell whether one was."""
    async with database.transaction() as session:
        await repository.lock_settings(session)
        newest = await repository.list_runs(await raw(session), after=None, limit=1)
        if newest and clock.now() - newest[0]["created_at"] < every:
            return False
        with suppress(Conflict):
            await start_run(session, "incremental", by="identity", clock=clock, new_id=new_id)
            return True
    return False


async def get_run(session: AsyncSession, run_id: UUID) -> dict[str, Any]:
    """Return a run.

    Raises:
        NotFound: there is no such run.
    """
    run = await repository.find_run(await raw(session), run_id)
    if run is None:
        raise NotFound(f"There is no run {run_id}.", field="run_id")
    return run


async def list_runs(session: AsyncSession, *, first: int, after: str | None) -> Page[dict[str, Any]]:
    """Return a page of runs, the newest first.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    last = decode_cursor(after, datetime, UUID) if after else None
    found = await repository.list_runs(await raw(session), after=last, limit=first + 1)
    return cut_page(found, first, lambda run: (run["created_at"], run["run_id"]))


def linking_job(*, clock: Clock, new_id: Callable[[], UUID], partitions: int) -> JobFunction:
    """Return the function that does jobs of the kind `linking.run`."""

    async def run(job: RunningJob) -> Json:
        return await _Run(job, clock=clock, new_id=new_id, partitions=partitions).go_on()

    return run


class _Run:
    """A run in this worker's hands. Its job's cursor says how far it is: scoring, dealing, finished."""

    def __init__(self, job: RunningJob, *, clock: Clock, new_id: Callable[[], UUID], partitions: int) -> None:
        self._job = job
        self._run_id = UUID(job.parameters["run_id"])
        self._clock = clock
        self._new_id = new_id
        self._partitions = partitions

    async def go_on(self) -> Json:
        """Do what is left of the run; return its figures."""
        if self._job.cursor.get("phase") not in {"dealing", "finished"}:
            await self._score_again()
        if self._job.cursor["phase"] == "dealing":
            while await self._deal_with_some():
                pass
            await self._finish()
        async with self._job.database.transaction() as session:
            return _result(await get_run(session, self._run_id))

    async def _score_again(self) -> None:
        for attempt in range(_ATTEMPTS):
            with suppress(_Killed):
                return await self._score()
            log.warning("linking_process_killed", run_id=str(self._run_id), attempt=attempt + 1)
        raise LinkingFailed(f"The scoring process was killed {_ATTEMPTS} times. It may need more memory.")

    async def _score(self) -> None:
        """Have the base read and scored, and keep what is found. Begun again, it forgets what it had."""
        task = await self._begin()
        found = 0
        async with _scoring_process(task) as process:
            async for message in _messages(process):
                if "problem" in message:
                    raise LinkingFailed(message["problem"])
                async with self._job.database.transaction() as session:
                    connection = await raw(session)
                    if "pairs" in message:
                        pairs = [_found_pair(found + place, pair) for place, pair in enumerate(message["pairs"])]
                        await repository.save_results(connection, self._run_id, pairs)
                        found += len(pairs)
                        await self._job.report(0, found, session=session)
                        continue
                    await repository.save_figures(connection, self._run_id, RunFigures(**message["figures"]))
                    cursor = self._job.cursor | {"phase": "dealing"}
                    await self._job.report(0, found, cursor, session=session)
                    return
        raise _Killed

    async def _begin(self) -> Json:
        """Note that scoring begins; return what its process is told."""
        started = self._clock.now()
        async with self._job.database.transaction() as session:
            connection = await raw(session)
            run = await get_run(session, self._run_id)
            last = await repository.find_last_finished(connection) if run["kind"] == "incremental" else None
            since = last[0].isoformat() if last else None
            await repository.drop_abandoned_results(connection)
            await repository.start_run(connection, self._run_id, at=started, watermark=started - _OVERLAP)
            # an attempt has a cursor of its own, so that one that was taken over cannot write any more
            cursor = {
                "phase": "scoring",
                "attempt": str(self._new_id()),
                "since": since,
                "started": started.isoformat(),
            }
            await self._job.report(0, cursor=cursor, session=session)
        return {
            "database_url": self._job.database.url,
            "upper": run["upper"],
            "lower": run["lower"],
            "engine": run["engine"],
            "spark_master": run["spark_master"],
            "across_entities": run["across_entities"],
            "since": since,
            "until": started.isoformat(),
            "model": last[1] if last else None,
        }

    async def _deal_with_some(self) -> bool:
        """Deal with the next stretch of what was found; False when there is nothing left."""
        async with self._job.database.transaction() as session:
            connection = await raw(session)
            found = await repository.take_results(connection, self._run_id, limit=_STRETCH)
            if not found:
                return False
            run = await get_run(session, self._run_id)
            pairs = PairsOfRun(self._run_id, run["across_entities"], found)
            await deal_with(session, pairs, clock=self._clock, new_id=self._new_id, partitions=self._partitions)
            last = found[-1].position
            await repository.drop_results(connection, self._run_id, up_to=last)
            await self._job.report(last + 1, cursor=self._job.cursor | {"position": last}, session=session)
            return True

    async def _finish(self) -> None:
        cursor = self._job.cursor
        since, until = cursor["since"], datetime.fromisoformat(cursor["started"])
        async with self._job.database.transaction() as session:
            connection = await raw(session)
            await candidates_repository.settle_candidates(
                connection, self._run_id, since=datetime.fromisoformat(since) if since else None, until=until
            )
            await repository.finish_run(connection, self._run_id, at=self._clock.now())
            await self._job.report(self._job.done, cursor=cursor | {"phase": "finished"}, session=session)


_RESULT = (
    "records", "customers", "customers_scored", "pairs_compared", "linked", "to_review", "precision_estimate",
    "recall_estimate",
)  # fmt: skip


def _result(run: dict[str, Any]) -> Json:
    return {"run_id": str(run["run_id"]), **{name: run[name] for name in _RESULT}}


@asynccontextmanager
async def _scoring_process(task: Json) -> AsyncIterator[Process]:
    """Start the scoring process and tell it its task; it ends with this block, and with this process.

    It gets its task by a pipe (a command line is seen by everybody on the machine) and watches that pipe's end. What it
    writes to its standard error is let go: libraries' messages may hold personal data.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", PROCESS, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
    )
    assert process.stdin is not None
    try:
        body = json.dumps(task).encode()
        process.stdin.write(struct.pack(">I", len(body)) + body)
        with suppress(ConnectionError):
            await process.stdin.drain()
        yield process
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
        process.stdin.close()
        await process.wait()


async def _messages(process: Process) -> AsyncIterator[Json]:
    """Read what the process says: JSON objects, each after its length (4 bytes, the highest first)."""
    assert process.stdout is not None
    while True:
        try:
            (length,) = struct.unpack(">I", await process.stdout.readexactly(4))
            message: Json = json.loads(await process.stdout.readexactly(length))
        except asyncio.IncompleteReadError:
            return
        yield message


def _found_pair(position: int, pair: Json) -> FoundPair:
    """Read a pair as the process says it."""
    return FoundPair(
        position,
        UUID(pair["anchor_id"]),
        UUID(pair["other_anchor_id"]),
        UUID(pair["record"][0]),
        pair["record"][1],
        UUID(pair["other_record"][0]),
        pair["other_record"][1],
        pair["score"],
        pair["outcome"],
        pair["contradiction"],
        pair["fields"],
    )
