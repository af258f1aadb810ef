"""Refusals, from a real server: a chapter shows them, and what is not refused that should be stops the story."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kizuna_demo.errors import StoryError
from kizuna_demo.platform import Credentials, Platform, refusal

PROBLEM = {"detail": "1 line is refused.", "errors": [{"field": "lines.9", "detail": "Too few."}]}


async def answer(request: web.Request) -> web.Response:
    if request.headers["Authorization"] != "Bearer token-of-crm":
        return web.Response(status=403, text="<h1>Forbidden</h1>")
    if request.content_type == "text/csv":
        return web.json_response(PROBLEM, status=422)
    return web.json_response({"name": "花子"})


@asynccontextmanager
async def running() -> AsyncIterator[Platform]:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        here = f"http://{server.host}:{server.port}"
        yield Platform(session, Credentials(here, here, here, here, here, here, here, "token"))


async def test_a_refusal_is_told_with_the_fields_it_names() -> None:
    async with running() as platform:
        crm = platform.speaking_for("token-of-crm")
        refused = await refusal(crm.send_file("profile", "/v1/x:import", b"a\n", kind="text/csv"))
        assert refused == {"status": 422, "detail": "1 line is refused.; lines.9: Too few."}


async def test_a_refusal_that_is_no_problem_document_is_told_as_it_is() -> None:
    async with running() as platform:
        assert await refusal(platform.get("profile", "/v1/x")) == {"status": 403, "detail": "<h1>Forbidden</h1>"}


async def test_what_should_have_been_refused_stops_the_story() -> None:
    async with running() as platform:
        with pytest.raises(StoryError, match="should have been refused"):
            await refusal(platform.speaking_for("token-of-crm").get("profile", "/v1/x"))
