"""Sources."""

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Request, Response
from fastapi.routing import APIRoute

from identity_service.schemas.configuration import (
    SourceAnswer,
    SourceBody,
    SourceList,
)
from identity_service.service import configuration as service
from identity_service.service.configuration import SavedSource
from identity_service.write_keys import KeyHasher, KeyMirror
from servicekit.auth import require
from servicekit.database import Database
from servicekit.http import ClockDependency, IfMatch, Key, Session, etag, resource

READ, WRITE = Depends(require("identity:read")), Depends(require("identity:write"))


class UnstoredRoute(APIRoute):
    """One transaction per request; no stored answers for `Idempotency-Key`: write keys are kept by hash only."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler in the transaction."""
        handle = super().get_route_handler()

        async def handle_in_transaction(request: Request) -> Response:
            database: Database = request.app.state.service.database
            async with database.transaction() as session:
                request.state.session = session
                return await handle(request)

        return handle_in_transaction


sources = APIRouter(prefix="/v1", route_class=UnstoredRoute, tags=["sources"])


def _hasher(request: Request) -> KeyHasher:
    return cast(KeyHasher, resource(request, "key_hasher"))


def _mirror(request: Request) -> KeyMirror:
    return cast(KeyMirror, resource(request, "key_mirror"))


Hasher = Annotated[KeyHasher, Depends(_hasher)]
Mirror = Annotated[KeyMirror, Depends(_mirror)]


@sources.put("/sources/{source_id}", dependencies=[WRITE], responses={201: {"model": SourceAnswer}})
async def put_source(
    source_id: Key,
    body: SourceBody,
    response: Response,
    session: Session,
    clock: ClockDependency,
    hasher: Hasher,
    mirror: Mirror,
    version: IfMatch,
) -> SourceAnswer:
    """Make a source (its write key is in the answer, this once) or change it."""
    saved = await service.put_source(
        session, source_id, body, version=version, clock=clock, hasher=hasher, mirror=mirror
    )
    response.status_code = 201 if saved.is_new else 200
    return _source_answer(saved, response)


@sources.post("/sources/{source_id}:rotateKey", dependencies=[WRITE])
async def rotate_key(
    source_id: Key, response: Response, session: Session, clock: ClockDependency, hasher: Hasher, mirror: Mirror
) -> SourceAnswer:
    """Give the source a new write key; the former one stops working."""
    saved = await service.rotate_key(session, source_id, clock=clock, hasher=hasher, mirror=mirror)
    return _source_answer(saved, response)


@sources.get("/sources/{source_id}", dependencies=[READ])
async def get_source(source_id: Key, response: Response, session: Session) -> SourceAnswer:
    """Return one source, without its key."""
    return _source_answer(SavedSource(await service.get_source(session, source_id), False, None), response)


@sources.get("/sources", dependencies=[READ])
async def list_sources(session: Session) -> SourceList:
    """Return all sources, without their keys."""
    return SourceList(items=[SourceAnswer.model_validate(source) for source in await service.list_sources(session)])


def _source_answer(saved: SavedSource, response: Response) -> SourceAnswer:
    etag(response, saved.source.version)
    return SourceAnswer.model_validate(saved.source).model_copy(update={"write_key": saved.write_key})
