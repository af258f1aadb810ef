"""Datasets about segments: HTTP only. No route here takes or gives a customer."""

import re
from asyncio import Semaphore
from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from profile_service.repository.insights import DatasetRow
from profile_service.routes.dependencies import DatabaseDependency, Purpose, SettingsDependency, look
from profile_service.rules.insights import FileKind
from profile_service.schemas import insights as schemas
from profile_service.service import insights
from servicekit.auth import Principal, require
from servicekit.cursors import decode_cursor
from servicekit.errors import Invalid
from servicekit.http import ClockDependency, IfMatch, Key, Session, TransactionalRoute, etag, resource
from servicekit.records import CP932, UTF_8
from servicekit.uploads import received

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["insights"])
uploads = APIRouter(prefix="/v1", tags=["insights"])
"""What takes files: its transaction begins when the file is there, however slowly that came."""

READ, WRITE = Depends(require("insights:read")), Depends(require("insights:write"))
Reader = Annotated[Principal, READ]
Writer = Annotated[Principal, WRITE]
First = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[str | None, Query(max_length=500)]

_KINDS: dict[str, FileKind] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
_CHARSETS = {
    "utf-8": UTF_8,
    "utf8": UTF_8,
    "cp932": CP932,
    "windows-31j": CP932,
    "ms932": CP932,
    "shift_jis": CP932,
    "shift-jis": CP932,
}
_FILE: dict[str, Any] = {
    "requestBody": {"required": True, "content": {name: {"schema": {"type": "string"}} for name in _KINDS}}
}


@router.put("/insights/{key}", responses={201: {"model": schemas.InsightAnswer}})
async def put_insight(
    key: Key,
    body: schemas.InsightBody,
    writer: Writer,
    session: Session,
    clock: ClockDependency,
    settings: SettingsDependency,
    response: Response,
    demanded: IfMatch,
) -> schemas.InsightAnswer:
    """Describe a dataset: supplier, purpose, hypothesis, licence, segments, columns, end."""
    values = body.model_dump()
    if body.minimum_cell_size is None:
        values["minimum_cell_size"] = settings.minimum_cell_size
    row, is_new = await insights.put_dataset(
        session,
        key,
        values,
        by=writer.subject,
        smallest_minimum=settings.minimum_cell_size,
        demanded_revision=demanded,
        now=clock.now(),
    )
    response.status_code = 201 if is_new else 200
    return _tagged(row, response, clock.now())


@router.get("/insights", dependencies=[READ])
async def list_insights(
    session: Session, clock: ClockDependency, first: First = 100, after: After = None
) -> schemas.InsightListAnswer:
    """Datasets by key, also expired ones."""
    last = _key(decode_cursor(after, str)[0]) if after is not None else None
    page = await insights.list_datasets(session, after=last, first=first)
    return schemas.InsightListAnswer(items=[_dataset(row, clock.now()) for row in page.items], next=page.next)


@router.get("/insights/{key}", dependencies=[READ])
async def get_insight(key: Key, session: Session, clock: ClockDependency, response: Response) -> schemas.InsightAnswer:
    """One dataset, without its cells."""
    return _tagged(await insights.get_dataset(session, key), response, clock.now())


@router.delete("/insights/{key}", dependencies=[WRITE], status_code=204)
async def delete_insight(key: Key, session: Session) -> None:
    """Delete a dataset with its cells. Who read it stays known."""
    await insights.delete_dataset(session, key)


@uploads.post("/insights/{key}:import", openapi_extra=_FILE)
async def import_insight(
    key: Key,
    request: Request,
    writer: Writer,
    clock: ClockDependency,
    settings: SettingsDependency,
    database: DatabaseDependency,
    purpose: Purpose = None,
    dry_run: bool = False,
    content_type: Annotated[str, Header()] = "",
) -> schemas.InsightImportAnswer:
    """Put a file's cells in the place of the dataset's: columns `segment`, `cell_size`, dimensions, measures.

    At most 64 MB, also inflated (`Content-Encoding: gzip`), in UTF-8 or CP932 (`charset`, else it is guessed). One
    refused line refuses the file and changes nothing; the problem names the lines. The same file again changes nothing.
    """
    kind, encoding = _kind(content_type)
    turn: Semaphore = resource(request, "insight_imports")
    async with received(request, limit=settings.insight_file_bytes) as file, turn, database.transaction() as session:
        await look(request, session, purpose)
        read = await insights.import_cells(
            session, key, file, kind, encoding=encoding, dry_run=dry_run, by=writer.subject, now=clock.now()
        )
    return schemas.InsightImportAnswer(
        dry_run=dry_run,
        lines=read.lines,
        accepted=read.lines - read.refused,
        refused=read.refused,
        problems=[
            schemas.RefusedLineAnswer(line=each.line, column=each.column, detail=each.detail) for each in read.problems
        ],
    )


def _kind(content_type: str) -> tuple[FileKind, str | None]:
    media, _, parameters = content_type.partition(";")
    kind = _KINDS.get(media.strip().lower())
    if kind is None:
        raise Invalid(f"Send {' or '.join(_KINDS)}.", field="Content-Type")
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters, re.IGNORECASE)
    if charset is None:
        return kind, None
    encoding = _CHARSETS.get(charset[1].lower())
    if encoding is None:
        raise Invalid(f"The charset is one of {', '.join(_CHARSETS)}.", field="Content-Type")
    return kind, encoding


@router.get("/insights/{key}/reads", dependencies=[Depends(require("privacy:read"))])
async def list_insight_reads(
    key: Key, session: Session, first: First = 100, after: After = None
) -> schemas.ReadListAnswer:
    """Who read cells of a dataset, the newest first."""
    return await reads_of(session, f"insights/{key}", first=first, after=after)


async def reads_of(session: Session, subject: str, *, first: int, after: str | None) -> schemas.ReadListAnswer:
    """A page of who read something."""
    before = decode_cursor(after, int)[0] if after is not None else None
    if before is not None:
        before = _within(before, 2**63)
    page = await insights.list_reads(session, subject, before=before, first=first)
    return schemas.ReadListAnswer(items=[schemas.ReadAnswer.model_validate(row) for row in page.items], next=page.next)


@router.get("/segments/{key}/insights")
async def get_segment_insights(
    key: Key, reader: Reader, session: Session, clock: ClockDependency, first: First = 100, after: After = None
) -> schemas.SegmentInsightsAnswer:
    """What bought data says of a segment. Who reads it is noted."""
    last = None
    if after is not None:
        dataset_key, line = decode_cursor(after, str, int)
        last = (_key(dataset_key), _within(line, 2**31))
    now = clock.now()
    found = await insights.insights_of(session, key, reader=reader, after=last, first=first, now=now)
    return schemas.SegmentInsightsAnswer(
        segment=key,
        datasets=[_dataset(row, now) for row in found.datasets],
        cells=[
            schemas.InsightCellAnswer(
                dataset=cell.dataset_key,
                dimensions=cell.dimensions,
                cell_size=cell.cell_size,
                measures=cell.measures,
            )
            for cell in found.cells
        ],
        next=found.next,
    )


def _key(value: str) -> str:
    if "\0" in value:
        raise _no_cursor()
    return value


def _within(value: int, end: int) -> int:
    if not 0 <= value < end:
        raise _no_cursor()
    return value


def _no_cursor() -> Invalid:
    return Invalid("This is not a cursor of this listing. Pass a cursor as it was given.", field="after")


def _tagged(row: DatasetRow, response: Response, now: datetime) -> schemas.InsightAnswer:
    etag(response, row.revision)
    return _dataset(row, now)


def _dataset(row: DatasetRow, now: datetime) -> schemas.InsightAnswer:
    status = "expired" if row.expires_at <= now else "usable" if row.cells else "empty"
    return schemas.InsightAnswer.model_validate({**vars(row), "status": status})
