"""Pages and pixels reached by a signed token inside a mail. No other credential; a bad token learns nothing."""

import base64
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Path, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from delivery_service import pages
from delivery_service.service import tracking
from delivery_service.tokens import Kind, Token, TokenSigner
from servicekit.http import ClockDependency, Session, TransactionalRoute, resource

router = APIRouter(tags=["public"], route_class=TransactionalRoute)

PUBLIC = (r"GET /o/[^/]+", r"GET /c/[^/]+", r"(GET|POST) /u/[^/]+")
"""What needs no bearer token."""

TokenPath = Annotated[str, Path(max_length=200, description="Signed token from a mail")]

_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
_PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_PAGE = _PRIVATE | {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'"
    )
}
_HTML: dict[int | str, dict[str, Any]] = {  # OpenAPI's response objects
    200: {"content": {"text/html": {}}},
    404: {"description": "No such link", "content": {"text/html": {}}},
}


def _verified(request: Request, kind: Kind, text: str) -> Token | None:
    signer: TokenSigner = resource(request, "signer")
    return signer.verify(kind, text)


def _not_found() -> Response:
    return HTMLResponse(pages.not_found_page(), status_code=404, headers=_PAGE)


@router.get(
    "/o/{token}.gif",
    response_class=Response,
    responses={200: {"content": {"image/gif": {}}}, 404: _HTML[404]},
    summary="Open pixel",
)
async def open_pixel(request: Request, session: Session, clock: ClockDependency, token: TokenPath) -> Response:
    """Note that a mail was opened and give the pixel."""
    verified = _verified(request, "open", token)
    if verified is None:
        return _not_found()
    await tracking.opened(session, verified, now=clock.now())
    return Response(_PIXEL, media_type="image/gif", headers=_PRIVATE)


@router.get(
    "/c/{token}",
    status_code=302,
    response_class=Response,
    responses={302: {"description": "To the link's address"}, 404: _HTML[404]},
    summary="Tracked link",
)
async def follow_link(request: Request, session: Session, clock: ClockDependency, token: TokenPath) -> Response:
    """Note the click and lead on to the address stored with the template's version, and to no other."""
    verified = _verified(request, "click", token)
    url = await tracking.clicked(session, verified, now=clock.now()) if verified else None
    return RedirectResponse(url, status_code=302, headers=_PRIVATE) if url else _not_found()


@router.get("/u/{token}", response_class=HTMLResponse, responses=_HTML, summary="Unsubscribe page")
async def show_unsubscribe(request: Request, session: Session, token: TokenPath) -> Response:
    """Show what would be unsubscribed, with a button. Never unsubscribes: mail programs fetch links on their own."""
    verified = _verified(request, "unsubscribe", token)
    found = await tracking.subscription(session, verified) if verified else None
    if found is None:
        return _not_found()
    return HTMLResponse(pages.unsubscribe_page(found.topic_name or found.topic), headers=_PAGE)


@router.post(
    "/u/{token}",
    response_class=HTMLResponse,
    responses=_HTML,
    summary="Unsubscribe (RFC 8058)",
    openapi_extra={
        "requestBody": {
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {"type": "object", "properties": {"List-Unsubscribe": {"type": "string"}}}
                }
            }
        }
    },
)
async def unsubscribe(request: Request, session: Session, clock: ClockDependency, token: TokenPath) -> Response:
    """Unsubscribe at once: by the mail program's one-click POST (RFC 8058) or by the page's button."""
    verified = _verified(request, "unsubscribe", token)
    if verified is None:
        return _not_found()
    basis = "unsubscribe_page" if await _is_from_page(request) else "one_click_unsubscribe"
    found = await tracking.unsubscribe(session, verified, basis=basis, now=clock.now())
    if found is None:
        return _not_found()
    return HTMLResponse(pages.unsubscribed_page(found.topic_name or found.topic), headers=_PAGE)


async def _is_from_page(request: Request) -> bool:
    body = (await request.body())[:1000].decode("ascii", "replace")
    return "confirm" in parse_qs(body, max_num_fields=20) if body.count("&") < 20 else False
