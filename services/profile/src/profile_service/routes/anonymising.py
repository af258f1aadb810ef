"""Anonymised exports: HTTP only."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse

from profile_service.repository.anonymising import ExportRow
from profile_service.routes.dependencies import SettingsDependency
from profile_service.routes.insights import After, First, reads_of
from profile_service.rules.anonymising import ExportDefinition
from profile_service.schemas import anonymising as schemas
from profile_service.schemas.insights import ReadListAnswer
from profile_service.service import anonymising
from profile_service.service.anonymising import FileFormat
from servicekit.auth import Principal, require
from servicekit.cursors import decode_cursor
from servicekit.http import ClockDependency, Session, TransactionalRoute, resource

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["anonymised-exports"])

READ, WRITE = Depends(require("exports:read")), Depends(require("exports:write"))
_ONE = "/anonymised-exports/{export_id}"
_MEDIA: dict[FileFormat, str] = {"csv": "text/csv", "ndjson": "application/x-ndjson"}
_CONTENT: dict[int | str, dict[str, Any]] = {
    200: {"content": {media: {"schema": {"type": "string"}} for media in _MEDIA.values()}}
}
_STATEMENT = "This is anonymously processed information (匿名加工情報)."


@router.post("/anonymised-exports", status_code=202)
async def ask_anonymised_export(
    body: schemas.AnonymisedExportBody,
    request: Request,
    asker: Annotated[Principal, WRITE],
    session: Session,
    clock: ClockDependency,
    settings: SettingsDependency,
) -> schemas.AnonymisedExportAnswer:
    """Ask for an export; it is made in the background."""
    row = await anonymising.ask_export(session, body, by=asker, smallest_k=settings.minimum_cell_size, now=clock.now())
    resource(request, "wake_anonymiser")(session)
    return _export(row)


@router.get("/anonymised-exports", dependencies=[READ])
async def list_anonymised_exports(
    session: Session, first: First = 100, after: After = None
) -> schemas.AnonymisedExportListAnswer:
    """Exports, the newest first, also those whose content is deleted: the record of what was given away."""
    before = None
    if after is not None:
        created_at, export_id = decode_cursor(after, datetime, UUID)
        before = (created_at, export_id)
    page = await anonymising.list_exports(session, before=before, first=first)
    return schemas.AnonymisedExportListAnswer(items=[_export(row) for row in page.items], next=page.next)


@router.get(_ONE, dependencies=[READ])
async def get_anonymised_export(export_id: UUID, session: Session) -> schemas.AnonymisedExportAnswer:
    """One export."""
    return _export(await anonymising.get_export(session, export_id))


@router.post(f"{_ONE}:cancel", dependencies=[WRITE])
async def cancel_anonymised_export(
    export_id: UUID, session: Session, clock: ClockDependency
) -> schemas.AnonymisedExportAnswer:
    """Cancel an export that is not made yet."""
    return _export(await anonymising.cancel_export(session, export_id, now=clock.now()))


@router.get(f"{_ONE}/content", response_class=StreamingResponse, responses=_CONTENT)
async def get_anonymised_content(
    export_id: UUID,
    request: Request,
    reader: Annotated[Principal, READ],
    session: Session,
    clock: ClockDependency,
    kind: Annotated[FileFormat, Query(alias="format")] = "csv",
    first: Annotated[int, Query(ge=1, le=1_000_000)] = 100_000,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
) -> StreamingResponse:
    """The lines of `first` cells after cell number `after`; `Link` names what follows. Who fetches it is noted."""
    export = await anonymising.open_content(session, export_id, reader=reader, now=clock.now())
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{export_id}.{kind}"'}
    if after + first < (export.cells or 0):
        following = f"{request.url.path}?format={kind}&first={first}&after={after + first}"
        headers["Link"] = f'<{following}>; rel="next"'
    pieces = anonymising.content(request.app.state.service.database, export, kind=kind, after=after, first=first)
    return StreamingResponse(pieces, media_type=_MEDIA[kind], headers=headers)


@router.get(f"{_ONE}/reads", dependencies=[Depends(require("privacy:read"))])
async def list_anonymised_reads(
    export_id: UUID, session: Session, first: First = 100, after: After = None
) -> ReadListAnswer:
    """Who fetched its content, the newest first."""
    return await reads_of(session, f"anonymised-exports/{export_id}", first=first, after=after)


def _export(row: ExportRow) -> schemas.AnonymisedExportAnswer:
    definition = ExportDefinition.model_validate(row.definition)
    figures = None
    if row.customers is not None and row.published is not None:
        suppressed = (row.customers - row.published) / row.customers if row.customers else 0
        figures = schemas.AnonymisedFiguresAnswer(
            customers=row.customers,
            published=row.published,
            suppressed_share=round(suppressed, 4),
            cells=row.cells,
            k_reached=row.smallest,
        )
    return schemas.AnonymisedExportAnswer(
        export_id=row.export_id,
        definition=definition,
        state=row.state,
        created_by=row.created_by,
        department=row.department,
        created_at=row.created_at,
        finished_at=row.finished_at,
        expires_at=row.expires_at,
        customers_read=row.customers_read,
        publication=schemas.PublicationAnswer(
            statement=_STATEMENT,
            item_categories=[column.category for column in definition.columns],
            provision=definition.provision,
        ),
        figures=figures,
        problem=row.problem,
    )
