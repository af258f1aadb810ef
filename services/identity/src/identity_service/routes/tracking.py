"""The Segment tracking API. Plain Starlette: this is the hot path, and SDKs send JSON under any content type.

`_documentation` holds the same routes for OpenAPI only.
"""

import zlib
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from fastapi import APIRouter, FastAPI
from fastapi import Path as PathParameter
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from identity_service.errors import InvalidRequest, TrackingError
from identity_service.rules.tracking import BATCH, MAX_BODY_BYTES, MAX_EVENT_BYTES, Rejected
from identity_service.service.tracking import FrontDoor
from identity_service.write_keys import WriteKeys

ENDPOINTS = {
    "identify": "identify", "track": "track", "page": "page", "screen": "screen", "group": "group", "alias": "alias",
    "batch": BATCH, "import": BATCH,
    "i": "identify", "t": "track", "p": "page", "s": "screen", "g": "group", "a": "alias", "b": BATCH,
}  # fmt: skip
"""Path -> kind; the short forms are what analytics.js calls."""

PUBLIC = (rf"(POST|OPTIONS) /v1/({'|'.join(ENDPOINTS)})", r"(GET|OPTIONS) /v1/projects/[^/]+/settings")
"""Reached with a write key instead of a token (settings: the key is in the path; preflight: with nothing)."""

_GZIP = b"\x1f\x8b"
_CORS = {"Access-Control-Allow-Origin": "*"}
_PREFLIGHT = {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
    "Access-Control-Allow-Headers": "authorization, content-type, content-encoding, anonymousid, traceparent",
    "Access-Control-Max-Age": "86400",
}

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(*, front_door: FrontDoor, write_keys: WriteKeys, address: str) -> list[Route]:
    """Return the tracking API's routes. `address` is this service's outside address."""
    tracking = [
        Route(f"/v1/{path}", TrackEndpoint(front_door, kind), methods=["POST"]) for path, kind in ENDPOINTS.items()
    ]
    preflight = [
        Route(f"/v1/{path}", _preflight, methods=["OPTIONS"]) for path in (*ENDPOINTS, "projects/{key}/settings")
    ]
    return [
        *tracking,
        Route("/v1/projects/{key}/settings", _settings(write_keys, address), methods=["GET"]),
        *preflight,
    ]


class TrackEndpoint:
    """An ASGI endpoint of the hot path, without what Starlette and FastAPI wrap around a function."""

    def __init__(self, front_door: FrontDoor, kind: str) -> None:
        self._front_door = front_door
        self._kind = kind
        self._limit = MAX_BODY_BYTES if kind == BATCH else MAX_EVENT_BYTES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Take one request in."""
        try:
            body = await read_limited(receive, self._limit)
            authorization = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
            accepted = await self._front_door.accept(
                body, kind=self._kind, authorization=authorization.decode("latin-1")
            )
            response = _json({"success": True, "accepted": accepted.accepted, "rejected": _rejected(accepted.rejected)})
        except TrackingError as error:
            response = _refusal(error)
        except ClientDisconnect:
            return
        await response(scope, receive, send)


async def read_limited(receive: Receive, limit: int) -> bytes:
    """Return the body, inflated when it is gzip (by its header or by its first bytes), never more than `limit` bytes.

    Raises:
        InvalidRequest: larger than that, or broken gzip. ClientDisconnect: it never came.
    """
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
    body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
    return _inflate(body, limit) if body[:2] == _GZIP else body


def _inflate(body: bytes, limit: int) -> bytes:
    inflater = zlib.decompressobj(16 + zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error:
        raise InvalidRequest("The body is not valid gzip.") from None
    if len(inflated) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise InvalidRequest("The body is not complete gzip.")
    return inflated


def _too_large(limit: int) -> InvalidRequest:
    return InvalidRequest(f"The body is larger than {limit} bytes. Send it in parts.")


async def _preflight(_: Request) -> Response:
    return Response(status_code=204, headers=_PREFLIGHT)


def _settings(write_keys: WriteKeys, address: str) -> Endpoint:
    """analytics.js asks here what to do; `apiHost` leads it back to this service."""
    parts = urlsplit(address)

    async def settings(request: Request) -> Response:
        key = request.path_params["key"]
        try:
            source_id = write_keys.source_of(key) or await write_keys.look_up(key)
        except TrackingError as error:
            return _refusal(error)
        if source_id is None:
            return _json({"success": False, "code": "not_found", "message": "No source has this write key."}, 404)
        return _json(sdk_settings(key, protocol=parts.scheme, host=f"{parts.netloc}{parts.path}/v1"))

    return settings


def sdk_settings(write_key: str, *, protocol: str, host: str) -> dict[str, Any]:
    """Return what analytics.js expects: only this destination, no remote plugins, no metrics elsewhere."""
    destination = {
        "apiKey": write_key,
        "apiHost": host,
        "protocol": protocol,
        "unbundledIntegrations": [],
        "addBundledMetadata": True,
        "maybeBundledConfigIds": {},
        "versionSettings": {"version": "4.4.7", "componentTypes": ["browser"]},
    }
    return {
        "integrations": {"Segment.io": destination},
        "plan": {
            "track": {"__default": {"enabled": True, "integrations": {}}},
            "identify": {"__default": {"enabled": True}},
        },
        "edgeFunction": {},
        "analyticsNextEnabled": True,
        "middlewareSettings": {},
        "enabledMiddleware": {},
        "metrics": {"sampleRate": 0},
        "legacyVideoPluginsEnabled": False,
        "remotePlugins": [],
    }


def _rejected(rejected: list[Rejected]) -> list[dict[str, Any]]:
    return [one._asdict() for one in rejected]


def _refusal(error: TrackingError) -> Response:
    answer: dict[str, Any] = {"success": False, "code": error.code, "message": error.detail}
    if error.field is not None:
        answer["field"] = error.field
    if error.rejected:
        answer["rejected"] = _rejected(error.rejected)
    response = _json(answer, error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def _json(content: dict[str, Any], status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status_code=status, headers=_CORS, media_type="application/json")


class RejectedEvent(BaseModel):
    """An event of the batch that was not taken; it is kept for review."""

    index: int
    field: str
    detail: str


class Taken(BaseModel):
    """Stored; bad events inside a good batch are named."""

    success: Literal[True]
    accepted: int
    rejected: list[RejectedEvent]


class Refused(BaseModel):
    """Nothing was stored. 400: the body; 401: the write key; 503: try again after `Retry-After` seconds."""

    success: Literal[False]
    code: Literal["invalid_request", "invalid_event", "unauthorized", "unavailable", "not_found"]
    message: str
    field: str | None = None
    rejected: list[RejectedEvent] | None = None


class SegmentEvent(BaseModel):
    """An event by the Segment specification; `userId`, `anonymousId` or `context.externalIds` says whose it is."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel)

    user_id: str | int | None = None
    anonymous_id: str | int | None = None
    message_id: Annotated[str, Field(max_length=255)] | None = None
    timestamp: str | None = None
    original_timestamp: str | None = None
    sent_at: str | None = None
    event: str | None = None
    properties: dict[str, Any] | None = None
    traits: dict[str, Any] | None = None
    context: dict[str, Any] | None = None
    write_key: str | None = None


class SegmentBatchEvent(SegmentEvent):
    """An event in a batch says its kind."""

    type: Literal["identify", "track", "page", "screen", "group", "alias"]


class SegmentBatch(BaseModel):
    """Up to 2,500 events, 32 KB each, 500 KB together."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel)

    batch: Annotated[list[SegmentBatchEvent], Field(max_length=2500)]
    sent_at: str | None = None
    context: dict[str, Any] | None = None
    write_key: str | None = None


@cache
def _documentation() -> FastAPI:
    """What only describes the routes: made when somebody asks for the document, not whenever the service starts."""
    router = APIRouter(prefix="/v1", tags=["tracking"])
    refusals: dict[int | str, dict[str, Any]] = {status: {"model": Refused} for status in ("4XX", 503)}
    security: dict[str, Any] = {"security": [{"WriteKey": []}, {}]}

    async def take_event(body: SegmentEvent) -> Taken:
        """Take one event. The write key is the Basic user, or `writeKey` in the body."""
        raise NotImplementedError

    async def take_batch(body: SegmentBatch) -> Taken:
        """Take a batch. Bad events inside a good batch are answered 200 and named in `rejected`."""
        raise NotImplementedError

    for path, kind in ENDPOINTS.items():
        take: Any = take_batch if kind == BATCH else take_event
        router.post(f"/{path}", responses=refusals, openapi_extra=security, operation_id=f"tracking_{path}")(take)

    @router.get(
        "/projects/{key}/settings",
        responses={404: {"model": Refused}, "4XX": {"model": Refused}},
        openapi_extra={"security": []},
    )
    async def settings(key: Annotated[str, PathParameter()]) -> dict[str, Any]:
        """Settings for analytics.js."""
        raise NotImplementedError

    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, separate_input_output_schemas=False)
    app.include_router(router)
    return app


def describe_in_openapi(app: FastAPI) -> None:
    """Make the app's OpenAPI document list the tracking routes too."""
    generate = app.openapi

    def with_tracking() -> dict[str, Any]:
        document, tracking = generate(), _documentation().openapi()
        document["paths"] |= tracking["paths"]
        components = document.setdefault("components", {})
        components.setdefault("schemas", {}).update(tracking["components"]["schemas"])
        components.setdefault("securitySchemes", {})["WriteKey"] = {
            "type": "http",
            "scheme": "basic",
            "description": "The source's write key as user, no password",
        }
        return document

    app.openapi = with_tracking  # type: ignore[method-assign]  # FastAPI's own way to extend the document
