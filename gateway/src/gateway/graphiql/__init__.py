"""GraphiQL, the graph's page for people. Everything it needs is served from here: it works without the internet."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

_FOLDER = Path(__file__).parent
_HEADERS = {
    # the page loads nothing from elsewhere and runs no script written into it; GraphiQL's editor writes styles
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
        "img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}


def graphiql_routes() -> list[BaseRoute]:
    """`GET /graphiql` and its assets; `/` leads there."""
    page = (_FOLDER / "page.html").read_text(encoding="utf-8")

    async def show(_: Request) -> Response:
        return HTMLResponse(page, headers=_HEADERS)

    async def lead(_: Request) -> Response:
        return RedirectResponse("/graphiql")

    return [
        Route("/", lead, methods=["GET"]),
        Route("/graphiql", show, methods=["GET"]),
        Mount("/graphiql/assets", StaticFiles(directory=_FOLDER / "assets"), name="graphiql-assets"),
    ]
