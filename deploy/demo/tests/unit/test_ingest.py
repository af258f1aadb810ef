"""The client of the ingest, against a real HTTP server that refuses now and then."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from kizuna_demo import patience
from kizuna_demo.errors import StoryError, first_story_error
from kizuna_demo.ingest import Ingest
from kizuna_demo.segment_spec import Event

EVENTS = [
    Event(
        type="track",
        event="Thing Done",
        message_id=f"m-{number}",
        timestamp=datetime(2026, 1, 1, tzinfo=UTC),
        user_id="1",
    )
    for number in range(2500)
]
Handler = Callable[[web.Request], Awaitable[web.Response]]


@asynccontextmanager
async def ingest_against(handler: Handler) -> AsyncIterator[Ingest]:
    application = web.Application(client_max_size=1_000_000)
    application.router.add_post("/v1/batch", handler)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        yield Ingest(session, url=f"http://{server.host}:{server.port}", write_key="secret")


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.01)


async def test_everything_arrives_once_acknowledged() -> None:
    seen: list[str] = []

    async def take(request: web.Request) -> web.Response:
        assert request.headers["Authorization"] == "Basic c2VjcmV0Og=="  # "secret:" in base64
        seen.extend(event["messageId"] for event in (await request.json())["batch"])
        return web.json_response({"success": True, "rejected": []})

    progress: list[int] = []
    async with ingest_against(take) as client:
        told = await client.tell(EVENTS, on_progress=progress.append)
    assert sorted(seen) == sorted(event.message_id for event in EVENTS)
    assert told.events == sum(progress) == len(EVENTS)
    assert (told.rejected, told.repeated) == (0, 0)


async def test_refusals_and_breakdowns_are_repeated_with_the_same_body() -> None:
    bodies: list[bytes] = []
    answers = iter([503, 429, 500])

    async def take(request: web.Request) -> web.Response:
        bodies.append(await request.read())
        return web.json_response({"rejected": []}, status=next(answers, 200))

    async with ingest_against(take) as client:
        told = await client.tell(EVENTS[:10])
    assert told.events == 10
    assert told.repeated == 3
    assert len(bodies) == 4
    assert len(set(bodies)) == 1


async def test_rejected_events_are_counted() -> None:
    async def take(_: web.Request) -> web.Response:
        return web.json_response({"rejected": [{"index": 0, "field": "event", "detail": "missing"}]})

    async with ingest_against(take) as client:
        assert (await client.tell(EVENTS[:10])).rejected == 1


async def test_a_wrong_key_ends_the_story_with_a_sentence() -> None:
    async def take(_: web.Request) -> web.Response:
        return web.json_response({}, status=401)

    async with ingest_against(take) as client:
        with pytest.raises(ExceptionGroup) as raised:
            await client.tell(EVENTS[:10])
    error = first_story_error(raised.value)
    assert isinstance(error, StoryError)
    assert "401" in str(error)


async def test_patience_ends_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.05)

    async def take(_: web.Request) -> web.Response:
        return web.json_response({}, status=503)

    async with ingest_against(take) as client:
        with pytest.raises(ExceptionGroup) as raised:
            await client.tell(EVENTS[:10])
    assert "does not answer (HTTP 503)" in str(first_story_error(raised.value))
