"""Reading imports: the job that makes events of a file's records, and finds out what the resolver made of them."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from identity_service.errors import UNAVAILABLE
from identity_service.ids import derived_id
from identity_service.models import Import, Source
from identity_service.repository import imports as repository
from identity_service.repository.messages import find_messages, find_records
from identity_service.repository.partners import load_source_rules
from identity_service.rules.import_events import EventMaker, Made, outline
from identity_service.rules.import_mapping import ID_SYNCS, missing_columns, read_mapping
from identity_service.rules.partners import SourceRules
from identity_service.rules.records import RECORD_ID
from identity_service.rules.tracking import ID_SYNC, IMPORT
from identity_service.service.configuration import get_source
from identity_service.service.imports import get_import, lock_import, message_id
from identity_service.service.ingest import Appended, EventLog
from identity_service.service.jobs import RunningJob
from servicekit.clock import Clock
from servicekit.database import Database, raw
from servicekit.errors import Invalid
from servicekit.records import AUTO, CSV, Record, RecordReader, UnreadableHeader, guess_encoding

MAX_SAMPLE = 5


class _Plan(NamedTuple):
    """An import with all it is read by."""

    target: Import
    source: Source
    rules: SourceRules


class _Stretch(NamedTuple):
    """What became of some lines."""

    events: list[bytes]
    accepted: list[int]
    event_ids: list[UUID]
    """Of the accepted ones."""
    rejected: list[tuple[int, str, str]]


class Importer:
    """Reads imports: the function of the job `customers.import`.

    A stretch of lines goes into the event log, then its outcome and the cursor behind it are committed. A crash between
    the two puts the same stretch there again, with the same request and message ids: the resolver knows them. When all
    is read and the resolver has taken it, each stretch is asked once for what the resolver refused or had before.
    """

    def __init__(
        self, *, database: Database, event_log: EventLog, clock: Clock, batch_lines: int, max_waiting: int
    ) -> None:
        self._database = database
        self._event_log = event_log
        self._clock = clock
        self._batch_lines = batch_lines
        self._max_waiting = max_waiting

    async def run(self, job: RunningJob) -> dict[str, Any]:
        """Read an import from where it stands to its end; return its counts.

        Raises:
            Invalid: the file as a whole cannot be read.
        """
        import_id = UUID(job.parameters["import_id"])
        plan = await self._load(import_id)
        if plan.target.state == "queued":
            try:
                await self._read(job, plan)
            except UnreadableHeader as error:
                raise Invalid(str(error)) from None
            if plan.target.dry_run:
                await self._foresee_repeated(plan.target)
            else:
                await self._wait_for_resolver(job)
                await self._settle(job, import_id)
            async with self._database.transaction() as session:
                await repository.finish_import(
                    await raw(session), import_id, state="done", problem=None, at=self._clock.now()
                )
        async with self._database.transaction() as session:
            ended = await get_import(session, import_id)
        return {name: ended[name] for name in ("accepted", "repeated", "rejected", "lines_read")}

    async def _load(self, import_id: UUID) -> _Plan:
        async with self._database.transaction() as session:
            target = await lock_import(session, import_id)
            source = await get_source(session, target.source_id)
            return _Plan(target, source, await load_source_rules(session, source))

    async def _read(self, job: RunningJob, plan: _Plan) -> None:
        reader = await self._reader(job, plan.target)
        maker: EventMaker | None = None
        batch: list[Record] = []
        async for record in self._records(plan.target.import_id, reader):
            maker = maker or _maker(plan, reader)
            batch.append(record)
            if len(batch) >= self._batch_lines:
                await self._take(job, plan, reader, maker, batch)
                batch = []
        await self._take(job, plan, reader, maker or _maker(plan, reader), batch)

    async def _reader(self, job: RunningJob, target: Import) -> RecordReader:
        cursor = job.cursor
        if cursor:
            return RecordReader(
                file_format=target.format,
                encoding=cursor["encoding"],
                columns=cursor["columns"],
                offset=cursor["offset"],
                line=cursor["line"],
            )
        encoding = target.encoding
        if encoding == AUTO:
            beginning = await self._content(target.import_id, 0)
            encoding = guess_encoding(beginning, is_all=len(beginning) == target.size)
        return RecordReader(file_format=target.format, encoding=encoding)

    async def _records(self, import_id: UUID, reader: RecordReader) -> AsyncIterator[Record]:
        offset = reader.offset
        while content := await self._content(import_id, offset):
            offset += len(content)
            for record in reader.feed(content):
                yield record
        for record in reader.finish():
            yield record

    async def _content(self, import_id: UUID, offset: int) -> bytes:
        async with self._database.transaction() as session:
            return await repository.read_content(await raw(session), import_id, offset=offset)

    async def _take(
        self, job: RunningJob, plan: _Plan, reader: RecordReader, maker: EventMaker, batch: Sequence[Record]
    ) -> None:
        target = plan.target
        number = int(job.cursor.get("batches", 0)) + 1
        stretch = _made(batch, maker, target)
        appended: Sequence[Appended] = ()
        if stretch.events and not target.dry_run:
            appended = await self._append(stretch.events, plan, number)
        cursor = job.cursor | {
            "batches": number,
            "offset": reader.offset,
            "line": reader.line,
            "columns": None if reader.columns is None else list(reader.columns),
            "encoding": reader.encoding,
            "sequence": max((one.sequence for one in appended), default=job.cursor.get("sequence", 0)),
        }
        sample = [outline(event) for event in stretch.events[: MAX_SAMPLE - len(target.sample)]]
        repeated: Sequence[int] = ()
        async with self._database.transaction() as session:
            connection = await raw(session)
            await job.report(reader.offset, target.size, cursor, session=session)
            if target.dry_run:
                repeated = await _taken_before(connection, stretch)
                await repository.save_foreseen(connection, target.import_id, repeated=len(repeated), sample=sample)
            await repository.save_batch(
                connection,
                target.import_id,
                number=number,
                accepted=stretch.accepted,
                event_ids=stretch.event_ids,
                requests=[(one.request_id, one.events) for one in appended],
                repeated=repeated,
                rejected=stretch.rejected,
                bytes_read=reader.offset,
                lines_read=reader.line - 1,
            )
        target.sample.extend(sample if target.dry_run else ())

    async def _append(self, events: Sequence[bytes], plan: _Plan, number: int) -> list[Appended]:
        """Put events into the event log, however long it takes: until it is up, has room, and the resolver follows."""
        import_id = str(plan.target.import_id)
        delay = 0.05
        while True:
            try:
                if await self._event_log.waiting() < self._max_waiting:
                    return await self._event_log.append(
                        events,
                        kind=ID_SYNC if plan.target.kind == ID_SYNCS else IMPORT,
                        source_id=plan.source.source_id,
                        received_at=self._clock.now(),
                        request_id=lambda part: derived_id("import", import_id, str(number), str(part)),
                    )
            except UNAVAILABLE:
                delay = max(delay, 0.5)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5)

    async def _wait_for_resolver(self, job: RunningJob) -> None:
        """Wait until the resolver has taken what this job put into the event log last."""
        delay = 0.05
        while True:
            try:
                if await self._event_log.is_resolved(job.cursor.get("sequence", 0)):
                    return
            except UNAVAILABLE:
                delay = max(delay, 0.5)
            await asyncio.sleep(delay)
            delay = min(delay * 2, 2)

    async def _foresee_repeated(self, target: Import) -> None:
        """Find, of a dry run, what stands in the file twice, however far apart: only an id of its own tells that."""
        if RECORD_ID in {column.kind for column in read_mapping(target.mapping)}:
            async with self._database.transaction() as session:
                await repository.foresee_repeated(await raw(session), target.import_id)

    async def _settle(self, job: RunningJob, import_id: UUID) -> None:
        """Note of each stretch what the resolver refused, and what it had taken before."""
        for number in range(job.cursor.get("settled", 0) + 1, job.cursor["batches"] + 1):
            async with self._database.transaction() as session:
                connection = await raw(session)
                await job.report(job.done, None, job.cursor | {"settled": number}, session=session)
                outcomes = await repository.find_outcomes(connection, import_id, number)
                await repository.settle_batch(
                    connection,
                    import_id,
                    number,
                    repeated=[one.line for one in outcomes if one.is_repeated],
                    rejected=[(one.line, *one.problem) for one in outcomes if one.problem is not None],
                )


async def _taken_before(connection: asyncpg.Connection, stretch: _Stretch) -> list[int]:
    """Return the lines whose records were taken before this file came."""
    known = {*await find_messages(connection, stretch.event_ids), *await find_records(connection, stretch.event_ids)}
    return [line for line, event in zip(stretch.accepted, stretch.event_ids, strict=True) if event in known]


def _maker(plan: _Plan, reader: RecordReader) -> EventMaker:
    """Raises Invalid: the file lacks columns that the mapping uses."""
    target = plan.target
    missing = [] if target.format != CSV else missing_columns(reader.columns or (), target.mapping)
    if missing:
        raise Invalid(f"The file lacks these columns, or has them twice: {', '.join(missing)}.")
    return EventMaker(
        target.mapping,
        constants=target.constants,
        kind=target.kind,
        rules=plan.rules,
        as_of=target.as_of.isoformat(),
        zone=ZoneInfo(target.time_zone),
        purposes=target.purposes,
        columns=reader.columns,
    )


def _made(batch: Sequence[Record], maker: EventMaker, target: Import) -> _Stretch:
    stretch = _Stretch([], [], [], [])
    for record in batch:
        if record.problem is not None:
            stretch.rejected.append((record.line, "", record.problem))
            continue
        made = maker.event_of(record.values, message_id=message_id(target.import_id, record.line))
        if isinstance(made, Made):
            stretch.events.append(made.event)
            stretch.accepted.append(record.line)
            stretch.event_ids.append(derived_id(target.source_id, made.message_id))
        else:
            stretch.rejected.append((record.line, *made))
    return stretch
