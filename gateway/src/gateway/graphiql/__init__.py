"""GraphiQL, the graph's page for people. Everything it needs is served from here: it works without the internet."""

from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

_ASSETS = Path(__file__).parent / "assets"


def graphiql_routes() -> list[BaseRoute]:
    """`GET /graphiql` and its assets; `/` leads there."""
    page = (Path(__file__).parent / "page.html").read_text(encoding="utf-8")

    async def show(_: Request) -> Response:
        return HTMLResponse(page)

    async def lead(_: Request) -> Response:
        return RedirectResponse("/graphiql")

    return [
        Route("/", lead, methods=["GET"]),
        Route("/graphiql", show, methods=["GET"]),
        Mount("/graphiql/assets", StaticFiles(directory=_ASSETS, check_dir=False), name="graphiql-assets"),
    ]
