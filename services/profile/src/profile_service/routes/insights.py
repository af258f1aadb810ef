"""Datasets about segments: HTTP only. No route here takes or gives a customer."""

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from profile_service.repository.insights import DatasetRow
from profile_service.routes.dependencies import SettingsDependency
from profile_service.rules.insights import FileKind
from profile_service.schemas import insights as schemas
from profile_service.service import insights
from servicekit.auth import Principal, require
from servicekit.cursors import decode_cursor
from servicekit.errors import Invalid
from servicekit.http import ClockDependency, IfMatch, Key, Session, TransactionalRoute, etag

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["insights"])

READ, WRITE = Depends(require("insights:read")), Depends(require("insights:write"))
Reader = Annotated[Principal, READ]
Writer = Annotated[Principal, WRITE]
First = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[str | None, Query(max_length=500)]

_KINDS: dict[str, FileKind] = {"text/csv": "csv", "application/x-ndjson": "ndjson"}
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


@router.post("/insights/{key}:import", openapi_extra=_FILE)
async def import_insight(
    key: Key,
    request: Request,
    writer: Writer,
    session: Session,
    clock: ClockDependency,
    dry_run: bool = False,
    content_type: Annotated[str, Header()] = "",
) -> schemas.InsightImportAnswer:
    """Put a file's cells in the place of the dataset's: columns `segment`, `cell_size`, dimensions, measures.

    One refused line refuses the file and changes nothing; the problem names the lines.
    """
    kind = _KINDS.get(content_type.split(";")[0].strip().lower())
    if kind is None:
        raise Invalid(f"Send {' or '.join(_KINDS)}.", field="Content-Type")
    read = await insights.import_cells(
        session, key, await request.body(), kind, dry_run=dry_run, by=writer.subject, now=clock.now()
    )
    return schemas.InsightImportAnswer(
        dry_run=dry_run,
        lines=read.lines,
        accepted=len(read.cells),
        refused=read.refused,
        problems=[
            schemas.RefusedLineAnswer(line=each.line, column=each.column, detail=each.detail) for each in read.problems
        ],
    )


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
