"""Bringing a list, against a real server that loses answers and is asked again by a story told anew."""

from dataclasses import replace
from datetime import date

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kizuna_demo import patience
from kizuna_demo.errors import StoryError
from kizuna_demo.group_lists import GroupList, group_lists
from kizuna_demo.imports import bring_list
from kizuna_demo.platform import Credentials, Platform
from kizuna_demo.progress import ImportedList
from kizuna_demo.world import World, build_world


@pytest.fixture(scope="module")
def world() -> World:
    return build_world(today=date(2026, 11, 22), seed=7)


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.01)


class Imports:
    """One import, kept by its idempotency key; takes the second piece without a good answer."""

    def __init__(self, *, ends: str = "done") -> None:
        self.keys: set[str] = set()
        self.content = b""
        self.pieces = 0
        self.state = "uploading"
        self.ends = ends

    async def announce(self, request: web.Request) -> web.Response:
        self.keys.add(request.headers["Idempotency-Key"])
        return await self.show(request)

    async def show(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "import_id": "i1",
                "state": self.state,
                "size": len(self.content),
                "lines_read": 3001,
                "accepted": 2999,
                "rejected": 1,
                "problem": None,
            }
        )

    async def take(self, request: web.Request) -> web.Response:
        assert int(request.query["offset"]) == len(self.content)
        self.content += await request.read()
        self.pieces += 1
        return web.Response(status=503) if self.pieces == 2 else web.json_response({"size": len(self.content)})

    async def start(self, request: web.Request) -> web.Response:
        self.state = self.ends
        return await self.show(request)

    async def lines(self, request: web.Request) -> web.Response:
        rejected = {"line": 1000, "state": "rejected", "customer_id": None, "field": "", "detail": "3 fields"}
        return web.json_response({"items": [rejected], "next": None})


async def brought_to(imports: Imports, world: World, listed: GroupList, *, times: int = 1) -> ImportedList:
    application = web.Application(client_max_size=1_000_000)
    application.router.add_post("/v1/imports", imports.announce)
    application.router.add_get("/v1/imports/i1", imports.show)
    application.router.add_put("/v1/imports/i1/content", imports.take)
    application.router.add_post("/v1/imports/i1:start", imports.start)
    application.router.add_get("/v1/imports/i1/lines", imports.lines)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        here = f"http://{server.host}:{server.port}"
        platform = Platform(session, Credentials(here, here, here, here, here, here, here, "token"))
        for _ in range(times):
            brought = await bring_list(platform, world, listed, on_progress=lambda _: None)
    return brought


async def test_a_piece_whose_answer_was_lost_is_not_sent_twice(world: World) -> None:
    listed, imports = group_lists(world)[0], Imports()
    brought = await brought_to(imports, world, listed)
    assert imports.content == listed.content
    assert imports.pieces > 2
    assert (brought.accepted, brought.rejected) == (2999, 1)
    assert brought.rejected_lines == [{"line": 1000, "field": "", "detail": "3 fields"}]


async def test_brought_again_it_is_the_same_import(world: World) -> None:
    listed, imports = group_lists(world)[0], Imports()
    await brought_to(imports, world, listed, times=2)
    assert len(imports.keys) == 1
    assert imports.content == listed.content


async def test_an_import_that_fails_stops_the_story(world: World) -> None:
    listed = replace(group_lists(world)[1], broken_line=None)
    with pytest.raises(StoryError, match="kizuna-dealers is failed"):
        await brought_to(Imports(ends="failed"), world, listed)
