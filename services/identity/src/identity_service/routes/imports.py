"""Imports of files: announce, send the content, start, look."""

from typing import Annotated, Any, Literal, cast
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query, Request

from identity_service.routes.dependencies import After, First, NewId
from identity_service.schemas.imports import ContentAnswer, ImportAnswer, ImportBody, ImportLinePage, ImportPage
from identity_service.service import imports as service
from identity_service.settings import Settings
from servicekit.auth import Principal, require
from servicekit.http import ClockDependency, Session, TransactionalRoute

READ, WRITE = Depends(require("identity:read")), Depends(require("identity:write"))
Importer = Annotated[Principal, WRITE]


def _settings(request: Request) -> Settings:
    return cast(Settings, request.app.state.service.settings)


SettingsDependency = Annotated[Settings, Depends(_settings)]

router = APIRouter(prefix="/v1", route_class=TransactionalRoute, tags=["imports"])

_CONTENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("/imports", status_code=201)
async def announce_import(
    body: ImportBody,
    importer: Importer,
    session: Session,
    clock: ClockDependency,
    new_id: NewId,
    settings: SettingsDependency,
) -> ImportAnswer:
    """Announce a file; its content comes next."""
    return ImportAnswer.model_validate(
        await service.announce_import(
            session, body, time_zone=settings.time_zone, by=importer.subject, clock=clock, new_id=new_id
        )
    )


@router.put("/imports/{import_id}/content", dependencies=[WRITE], openapi_extra=_CONTENT)
async def append_content(
    import_id: UUID,
    request: Request,
    session: Session,
    offset: Annotated[int, Query(ge=0, le=2**53)],
    settings: SettingsDependency,
    content_encoding: Annotated[Literal["", "identity", "gzip"], Header()] = "",
) -> ContentAnswer:
    """Append a piece of the file, at most 8 MB (also inflated), each its own gzip member if compressed.

    `offset` is the place of its first byte in the file. 409 says which offset is due: after a lost answer go on there.
    """
    size = await service.append_content(
        session,
        import_id,
        await request.body(),
        encoding=content_encoding,
        offset=offset,
        max_bytes=settings.import_max_bytes,
    )
    return ContentAnswer(import_id=import_id, size=size)


@router.post("/imports/{import_id}:start", status_code=202)
async def start_import(
    import_id: UUID, importer: Importer, session: Session, clock: ClockDependency, new_id: NewId
) -> ImportAnswer:
    """The content is complete: read it."""
    return ImportAnswer.model_validate(
        await service.start_import(session, import_id, by=importer.subject, clock=clock, new_id=new_id)
    )


@router.post("/imports/{import_id}:cancel", dependencies=[WRITE])
async def cancel_import(import_id: UUID, session: Session, clock: ClockDependency) -> ImportAnswer:
    """Stop it and delete its content; the lines that were taken stay taken."""
    return ImportAnswer.model_validate(await service.cancel_import(session, import_id, clock=clock))


@router.get("/imports/{import_id}", dependencies=[READ])
async def get_import(import_id: UUID, session: Session) -> ImportAnswer:
    """Return how far an import is."""
    return ImportAnswer.model_validate(await service.get_import(session, import_id))


@router.get("/imports", dependencies=[READ])
async def list_imports(session: Session, first: First = 100, after: After = None) -> ImportPage:
    """Return imports, the newest first."""
    return ImportPage.model_validate(await service.list_imports(session, first=first, after=after))


@router.get("/imports/{import_id}/lines", dependencies=[READ])
async def list_lines(
    import_id: UUID,
    session: Session,
    state: Literal["rejected", "accepted"] = "rejected",
    first: First = 100,
    after: After = None,
) -> ImportLinePage:
    """Return lines in order: rejected ones with why, accepted ones with whose they are once resolved.

    Once the import is done, what the resolver refused is rejected, and what had been taken before is `repeated`.
    """
    lines = await service.list_lines(session, import_id, state=state, first=first, after=after)
    return ImportLinePage.model_validate(lines)
