"""Imports: a file is announced, received in pieces, and told about line by line; importing.py reads it."""

import zlib
from collections.abc import Callable
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.ids import derived_id
from identity_service.models import Import
from identity_service.repository import configuration
from identity_service.repository import imports as repository
from identity_service.repository.partners import load_source_rules
from identity_service.rules.import_mapping import mapping_problems
from identity_service.rules.partners import purposes_problem
from identity_service.schemas.imports import ImportBody
from identity_service.service.jobs import cancel_job, enqueue
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page, decode_cursor
from servicekit.database import raw
from servicekit.errors import Conflict, Invalid, NotFound, TooLarge
from servicekit.records import CSV

JOB_KIND = "customers.import"
MAX_CHUNK_BYTES = 8 * 1024 * 1024
"""Of one piece of content, also of what it inflates to."""

_GZIP = "gzip"


async def announce_import(
    session: AsyncSession, body: ImportBody, *, time_zone: str, by: str, clock: Clock, new_id: Callable[[], UUID]
) -> dict[str, Any]:
    """Make an import whose content is still to come. `time_zone` holds where it names none.

    Raises:
        Invalid: no such source, or the mapping or the purposes do not fit it.
    """
    source = await configuration.find_source(session, body.source_id)
    if source is None:
        raise Invalid(f"There is no source {body.source_id}.", field="source_id")
    rules = await load_source_rules(session, source)
    new = body.model_dump()
    problems = mapping_problems(
        new["mapping"], constants=body.constants, kind=body.kind, is_text_only=body.format == CSV, rules=rules
    )
    purposes = purposes_problem(body.purposes, rules)
    if purposes is not None:
        problems.append(purposes)
    if problems:
        raise Invalid("The import does not fit its source; see errors.", errors=problems)
    new |= {"import_id": new_id(), "state": "uploading", "created_by": by, "created_at": clock.now(), "job_id": None}
    new["time_zone"] = body.time_zone or time_zone
    await repository.add_import(session, Import.model_validate(new))
    return await get_import(session, new["import_id"])


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
    target = await lock_import(session, import_id)
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
    target = await lock_import(session, import_id)
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
    target = await lock_import(session, import_id)
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

    Of the accepted ones those are `repeated` whose record had been taken before, once the import has ended.

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
        items = await repository.list_accepted_lines(connection, import_id, after=last, limit=first + 1)
        for one in items:
            one["event_id"] = one["event_id"] or event_id(found["source_id"], import_id, one["line"])
        customers = await repository.customers_of_messages(connection, [one["event_id"] for one in items])
        items = [
            {
                "line": one["line"],
                "state": "repeated" if one["is_repeated"] else state,
                "customer_id": customers.get(one["event_id"]),
                "field": None,
                "detail": None,
            }
            for one in items
        ]
    return cut_page(items, first, lambda one: one["line"])


async def lock_import(session: AsyncSession, import_id: UUID) -> Import:
    """Return an import, and let nobody else change it until the transaction ends.

    Raises:
        NotFound: there is no such import.
    """
    found = await repository.lock_import(session, import_id)
    if found is None:
        raise NotFound(f"There is no import {import_id}.", field="import_id")
    return found


def message_id(import_id: UUID, line: int) -> str:
    """Return the message id of the event that a line becomes."""
    return f"import:{import_id}:{line}"


def event_id(source_id: str, import_id: UUID, line: int) -> UUID:
    """Return the id of the event that a line becomes whose record has no id of its own."""
    return derived_id(source_id, message_id(import_id, line))
