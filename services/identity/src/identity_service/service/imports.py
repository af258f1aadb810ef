"""Imports: a list is announced, received in pieces, read by a job, and told about line by line."""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.errors import UNAVAILABLE
from identity_service.ids import derived_id
from identity_service.models import Import, Source
from identity_service.repository import configuration
from identity_service.repository import imports as repository
from identity_service.repository.partners import load_source_rules
from identity_service.rules.import_mapping import ID_SYNCS, EventMaker, mapping_problems, missing_columns
from identity_service.rules.partners import SourceRules, purposes_problem
from identity_service.rules.tracking import ID_SYNC, IMPORT
from identity_service.schemas.imports import ImportBody
from identity_service.service.configuration import get_source
from identity_service.service.ingest import EventLog
from identity_service.service.jobs import RunningJob, cancel_job, enqueue
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.database import Database, raw
from servicekit.errors import Conflict, Invalid, NotFound, TooLarge
from servicekit.records import AUTO, CSV, Record, RecordReader, UnreadableHeader, guess_encoding

JOB_KIND = "customers.import"
MAX_CHUNK_BYTES = 8 * 1024 * 1024
"""Of one piece of content, also of what it inflates to."""

_GZIP = "gzip"


async def announce_import(
    session: AsyncSession, body: ImportBody, *, by: str, clock: Clock, new_id: Callable[[], UUID]
) -> dict[str, Any]:
    """Make an import whose content is still to come.

    Raises:
        Invalid: no such source, or the mapping or the purposes do not fit it.
    """
    source = await configuration.find_source(session, body.source_id)
    if source is None:
        raise Invalid(f"There is no source {body.source_id}.", field="source_id")
    rules = await load_source_rules(session, source)
    problems = mapping_problems(body.mapping, kind=body.kind, rules=rules)
    purposes = purposes_problem(body.purposes, rules)
    if purposes is not None:
        problems.append(purposes)
    if problems:
        raise Invalid("The import does not fit its source; see errors.", errors=problems)
    values = body.model_dump() | {"import_id": new_id(), "state": "uploading", "created_by": by}
    new = Import.model_validate({**values, "created_at": clock.now(), "job_id": None})
    await repository.add_import(session, new)
    return await get_import(session, new.import_id)


async def append_content(
    session: AsyncSession, import_id: UUID, content: bytes, *, encoding: str, offset: int, max_bytes: int
) -> int:
    """Append a piece of content, whose first byte is byte `offset` of the file; return the size after it.

    Raises:
        NotFound: there is no such import.
        Conflict: it was started, or content from another offset is due, which the problem names.
        Invalid: not gzip although it says so. TooLarge: the piece, or the whole, is larger than allowed.
    """
    content = inflate(content, MAX_CHUNK_BYTES) if encoding == _GZIP else content
    if len(content) > MAX_CHUNK_BYTES:
        raise TooLarge(f"A piece of content has at most {MAX_CHUNK_BYTES} bytes.")
    target = await _lock(session, import_id)
    if target.state != "uploading":
        raise Conflict("The import was started: its content is complete.", field="import_id")
    if offset != target.size:
        raise Conflict(f"The next offset is {target.size}.", field="offset")
    if target.size + len(content) > max_bytes:
        raise TooLarge(f"An import has at most {max_bytes} bytes. Split the file.")
    await repository.append_content(await raw(session), import_id, content, position=target.size)
    return target.size + len(content)


def inflate(content: bytes, limit: int) -> bytes:
    """Return what gzip holds.

    Raises:
        Invalid: it is not complete gzip. TooLarge: it holds more than `limit` bytes.
    """
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(content, limit + 1)
    except zlib.error:
        raise Invalid("The content is not valid gzip.", field="Content-Encoding") from None
    if len(inflated) > limit:
        raise TooLarge(f"A piece of content has at most {limit} bytes, inflated.")
    if not inflater.eof or inflater.unused_data:
        raise Invalid("Each piece of content is one complete gzip member.", field="Content-Encoding")
    return inflated


async def start_import(
    session: AsyncSession, import_id: UUID, *, by: str, clock: Clock, new_id: Callable[[], UUID]
) -> dict[str, Any]:
    """Have an import read that was received completely; starting it again changes nothing.

    Raises:
        NotFound: there is no such import. Conflict: nothing was received, or it was cancelled.
    """
    target = await _lock(session, import_id)
    if target.state == "cancelled":
        raise Conflict("The import was cancelled.", field="import_id")
    if target.state == "uploading":
        if target.size == 0:
            raise Conflict("Nothing was received yet.", field="import_id")
        parameters = {"import_id": str(import_id)}
        target.job_id = await enqueue(session, JOB_KIND, parameters, by=by, clock=clock, new_id=new_id)
        target.state = "queued"
        await session.flush()
    return await get_import(session, import_id)


async def cancel_import(session: AsyncSession, import_id: UUID, *, clock: Clock) -> dict[str, Any]:
    """Stop an import and delete its content; the lines that were taken stay taken.

    Raises:
        NotFound: there is no such import. Conflict: it has ended already.
    """
    target = await _lock(session, import_id)
    if target.state == "cancelled":
        return await get_import(session, import_id)
    if target.state not in {"uploading", "queued"}:
        raise Conflict(f"The import has ended already: it is {target.state}.", field="import_id")
    if target.job_id is not None:
        await cancel_job(session, target.job_id, clock=clock)
    await repository.finish_import(await raw(session), import_id, state="cancelled", problem=None, at=clock.now())
    return await get_import(session, import_id)


async def get_import(session: AsyncSession, import_id: UUID) -> dict[str, Any]:
    """Return an import.

    Raises:
        NotFound: there is no such import.
    """
    found = await repository.find_import(await raw(session), import_id)
    if found is None:
        raise NotFound(f"There is no import {import_id}.", field="import_id")
    return found


async def list_imports(session: AsyncSession, *, first: int, after: str | None) -> Page[dict[str, Any]]:
    """Return a page of imports, the newest first.

    Raises:
        Invalid: `after` is not a cursor of this listing.
    """
    last = decode_cursor(after, datetime, UUID) if after else None
    found = await repository.list_imports(await raw(session), after=last, limit=first + 1)
    return cut_page(found, first, lambda one: (one["created_at"], one["import_id"]))


async def list_lines(
    session: AsyncSession, import_id: UUID, *, state: str, first: int, after: str | None
) -> Page[dict[str, Any]]:
    """Return a page of lines in order: those rejected, with why; or those accepted, with whose they are once resolved.

    Raises:
        NotFound: there is no such import. Invalid: `after` is not a cursor of this listing.
    """
    found = await get_import(session, import_id)
    last = decode_cursor(after, int)[0] if after else 0
    connection = await raw(session)
    if state == "rejected":
        rejected = await repository.list_rejected_lines(connection, import_id, after=last, limit=first + 1)
        items = [{"state": state, "customer_id": None, **one} for one in rejected]
    else:
        lines = await repository.list_accepted_lines(connection, import_id, after=last, limit=first + 1)
        events = {derived_id(found["source_id"], message_id(import_id, line)): line for line in lines}
        customers = await repository.customers_of_messages(connection, list(events))
        items = [
            {"line": line, "state": state, "customer_id": customers.get(event_id), "field": None, "detail": None}
            for event_id, line in events.items()
        ]
    return cut_page(items, first, lambda one: one["line"])


async def _lock(session: AsyncSession, import_id: UUID) -> Import:
    found = await repository.lock_import(session, import_id)
    if found is None:
        raise NotFound(f"There is no import {import_id}.", field="import_id")
    return found


def message_id(import_id: UUID, line: int) -> str:
    """Return the message id of the event that a line becomes."""
    return f"import:{import_id}:{line}"


class _Plan(NamedTuple):
    """An import with all it is read by."""

    target: Import
    source: Source
    rules: SourceRules


class _Stretch(NamedTuple):
    """What became of some lines."""

    events: list[bytes]
    accepted: list[int]
    rejected: list[tuple[int, str, str]]


class Importer:
    """Reads imports: the function of the job `customers.import`.

    A stretch of lines goes into the event log, then its outcome and the cursor behind it are committed. A crash between
    the two puts the same stretch there again, with the same request and message ids: the resolver knows them.
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
            async with self._database.transaction() as session:
                await repository.finish_import(
                    await raw(session), import_id, state="done", problem=None, at=self._clock.now()
                )
        async with self._database.transaction() as session:
            ended = await get_import(session, import_id)
        return {name: ended[name] for name in ("accepted", "rejected", "lines_read")}

    async def _load(self, import_id: UUID) -> _Plan:
        async with self._database.transaction() as session:
            target = await _lock(session, import_id)
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
        stretch = _made(batch, maker, target.import_id)
        if stretch.events and not target.dry_run:
            await self._append(stretch.events, plan, number)
        cursor = {
            "batches": number,
            "offset": reader.offset,
            "line": reader.line,
            "columns": None if reader.columns is None else list(reader.columns),
            "encoding": reader.encoding,
        }
        async with self._database.transaction() as session:
            await job.report(reader.offset, target.size, cursor, session=session)
            await repository.save_batch(
                await raw(session),
                target.import_id,
                number=number,
                accepted=stretch.accepted,
                rejected=stretch.rejected,
                bytes_read=reader.offset,
                lines_read=reader.line - 1,
            )

    async def _append(self, events: Sequence[bytes], plan: _Plan, number: int) -> None:
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


def _maker(plan: _Plan, reader: RecordReader) -> EventMaker:
    """Raises Invalid: the file lacks columns that the mapping uses."""
    target = plan.target
    missing = [] if target.format != CSV else missing_columns(reader.columns or (), target.mapping)
    if missing:
        raise Invalid(f"The file lacks these columns, or has them twice: {', '.join(missing)}.")
    return EventMaker(
        target.mapping,
        kind=target.kind,
        rules=plan.rules,
        as_of=target.as_of.isoformat(),
        purposes=target.purposes,
        columns=reader.columns,
    )


def _made(batch: Sequence[Record], maker: EventMaker, import_id: UUID) -> _Stretch:
    stretch = _Stretch([], [], [])
    for record in batch:
        if record.problem is not None:
            stretch.rejected.append((record.line, "", record.problem))
            continue
        made = maker.event_of(record.values, message_id=message_id(import_id, record.line))
        if isinstance(made, bytes):
            stretch.events.append(made)
            stretch.accepted.append(record.line)
        else:
            stretch.rejected.append((record.line, *made))
    return stretch
