"""Anonymised exports: asked for, made by a worker in stages, handed out, forgotten but for the record."""

import csv
import io
import json
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID, uuid4

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.repository import anonymising
from profile_service.repository.anonymising import ExportRow
from profile_service.repository.insights import unknown_segments
from profile_service.rules.anonymising import COUNT, ExportDefinition, MomentSource, RankSource, TraitSource
from profile_service.service.insights import note_reads
from profile_service.service.policy import REFUSED, Sight, sight_of
from profile_service.service.references import OF_RANKS
from profile_service.settings import Settings
from servicekit.auth import Principal
from servicekit.clock import Clock
from servicekit.cursors import Page, cut_page
from servicekit.database import Database
from servicekit.errors import Conflict, Forbidden, Gone, Invalid, NotFound
from servicekit.moves import hold_moves
from servicekit.workers import describe

log = structlog.get_logger(__name__)

FileFormat = Literal["csv", "ndjson"]
_SENT_AT_ONCE = 64 * 1024


class _Cancelled(Exception):
    """What was made is thrown away."""


async def ask_export(
    session: AsyncSession, definition: ExportDefinition, *, by: Principal, smallest_k: int, now: datetime
) -> ExportRow:
    """Note what is asked for; a worker makes it.

    Raises:
        Invalid: there is no such segment, or `k` is below the setting.
        Forbidden: whoever asks may not see the segment, or what a column comes from.
    """
    hidden = _hidden_in(sight_of(session), definition)
    if hidden is not None:
        raise Forbidden(REFUSED, field=hidden)
    k = smallest_k if definition.k is None else definition.k
    if k < smallest_k:
        raise Invalid(f"k is never below {smallest_k}.", field="k")
    if definition.segment is not None and await unknown_segments(session, [definition.segment]):
        raise Invalid(f"There is no segment {definition.segment}.", field="segment")
    export_id = uuid4()
    await anonymising.insert_export(
        session,
        export_id,
        definition.model_dump(mode="json") | {"k": k},
        by=f"{by.issuer}/{by.subject}",
        department=by.department,
        now=now,
        expires_at=now + timedelta(days=definition.keep_days),
    )
    return await get_export(session, export_id)


async def get_export(session: AsyncSession, export_id: UUID) -> ExportRow:
    """One export.

    Raises:
        NotFound: there is none.
    """
    found = await anonymising.get_export(session, export_id)
    if found is None or not await _visible(session, [found]):
        raise NotFound(f"There is no export {export_id}.")
    return found


async def _visible(session: AsyncSession, exports: Sequence[ExportRow]) -> list[ExportRow]:
    """Those that the asker may see: all that they ask for, and what their segment meant when they were made."""
    sight = sight_of(session)
    if sight.is_whole:
        return list(exports)
    meanings = await anonymising.list_meanings(session, [each.export_id for each in exports])
    return [
        each
        for each in exports
        if _hidden_in(sight, ExportDefinition.model_validate(each.definition)) is None
        and all(
            sight.sees_segment(each.definition["segment"], unpublished=condition)
            for condition in meanings.get(each.export_id, ())
        )
    ]


def _hidden_in(sight: Sight, definition: ExportDefinition) -> str | None:
    """Where an export asks for what may not be seen; it is not anonymous to whoever knows how it was asked for."""
    if definition.segment is not None and not sight.sees_segment(definition.segment):
        return "segment"
    for place, column in enumerate(definition.columns):
        match column.source:
            case TraitSource():
                is_seen = sight.sees_trait(column.source.trait)
            case RankSource():
                is_seen = sight.sees_definition(OF_RANKS)
            case MomentSource(of="first_event"):
                is_seen = not sight.restricts("event")
            case _:
                is_seen = sight.sees_purchases()
        if not is_seen:
            return f"columns.{place}.source"
    return None


async def list_exports(session: AsyncSession, *, before: tuple[datetime, UUID] | None, first: int) -> Page[ExportRow]:
    """A page of exports, the newest first; fewer where the asker may not see some."""
    found = await anonymising.list_exports(session, before=before, limit=first + 1)
    page = cut_page(found, first, lambda row: (row.created_at, row.export_id))
    return Page(await _visible(session, page.items), page.next)


async def cancel_export(session: AsyncSession, export_id: UUID, *, now: datetime) -> ExportRow:
    """Cancel an export that is not made yet; cancelling it again changes nothing.

    Raises:
        NotFound: there is none. Conflict: it was made already.
    """
    if not await anonymising.cancel_export(session, export_id, now=now):
        found = await get_export(session, export_id)
        if found.state != "cancelled":
            raise Conflict(f"It is {found.state} already.", field="export_id")
    return await get_export(session, export_id)


async def open_content(session: AsyncSession, export_id: UUID, *, reader: Principal, now: datetime) -> ExportRow:
    """Let somebody fetch an export's content, and note who.

    Raises:
        NotFound: there is none. Conflict: it is not made (yet). Gone: its time is over.
    """
    export = await get_export(session, export_id)
    if export.state == "expired" or export.expires_at <= now:
        raise Gone("The content was deleted at its end. Ask for a new export.")
    if export.state != "done":
        raise Conflict(f"There is no content: it is {export.state}.", field="export_id")
    await note_reads(session, [f"anonymised-exports/{export_id}"], reader=reader, now=now)
    return export


async def content(
    database: Database, export: ExportRow, *, kind: FileFormat, after: int, first: int
) -> AsyncIterator[bytes]:
    """Yield the lines of cells after a position, in pieces; a CSV begins with its header, whatever the position."""
    definition = ExportDefinition.model_validate(export.definition)
    names = [column.name for column in definition.columns]
    has_counts = definition.shape == "counts"
    pending = bytearray(_line([*names, *([COUNT] if has_counts else [])]) if kind == "csv" else b"")
    async with database.transaction() as session:
        async for labels, count in anonymising.cells_of(session, export.export_id, after=after, limit=first):
            line = _line([*labels, *([count] if has_counts else [])]) if kind == "csv" else _object(
                names, labels, count if has_counts else None
            )  # fmt: skip
            for _ in range(1 if has_counts else count):
                pending += line
                if len(pending) >= _SENT_AT_ONCE:
                    yield bytes(pending)
                    pending.clear()
    yield bytes(pending)


def _line(values: Sequence[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue().encode()


def _object(names: Sequence[str], labels: Sequence[str | None], count: int | None) -> bytes:
    values: dict[str, Any] = dict(zip(names, labels, strict=True))
    if count is not None:
        values[COUNT] = count
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


class Anonymiser:
    """Makes exports in stages; each piece is one transaction, so a kill repeats one and loses nothing.

    Customers are read some at a time, each once, at rest and as they are then; published is what `k` of them share, in
    one transaction, as the setting and erasures are then; then what was read is deleted.
    """

    def __init__(self, settings: Settings, *, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock

    async def work(self) -> bool:
        """Do one piece of the oldest export that is not over; True while there may be more."""
        export: ExportRow | None = None
        try:
            async with self._database.transaction() as session:
                export = await anonymising.claim_export(session)
                if export is None:
                    return False
                await self._do_piece(session, export, ExportDefinition.model_validate(export.definition))
        except _Cancelled:
            return True
        except asyncpg.DataError as error:
            assert export is not None
            log.warning("export_failed", export_id=str(export.export_id), error=describe(error))
            await self._fail(export)
        return True

    async def _do_piece(self, session: AsyncSession, export: ExportRow, definition: ExportDefinition) -> None:
        chunk = self._settings.backfill_chunk
        if export.stage == "clearing":
            await anonymising.clear_some(session, export, limit=chunk)
            return
        if await anonymising.is_lost(session, export):
            still = await anonymising.read_again(session, export)
        elif export.stage == "reading":
            await hold_moves(session)
            still = await anonymising.read_some(session, export, definition, zone=self._settings.time_zone, limit=chunk)
        else:
            # the setting may have been raised since it was asked for
            k = max(definition.k or 0, self._settings.minimum_cell_size)
            outcome = await anonymising.publish_cells(session, export.export_id, definition, k=k)
            still = await anonymising.finish_export(
                session, export.export_id, outcome=outcome, problem=None, now=self._clock.now()
            )
        if not still:
            raise _Cancelled

    async def _fail(self, export: ExportRow) -> None:
        problem = "A number is too large to be generalised. Take bins, or wider steps."
        async with self._database.transaction() as session:
            await anonymising.finish_export(
                session, export.export_id, outcome=None, problem=problem, now=self._clock.now()
            )

    async def sweep(self) -> bool:
        """Delete content whose time is over."""
        async with self._database.transaction() as session:
            await anonymising.expire_exports(session, now=self._clock.now())
        return False
