"""The partner's webhooks, against a real server that verifies them with the official library of Standard Webhooks."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from hashlib import sha256
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from standardwebhooks import Webhook

from kizuna_demo import patience
from kizuna_demo.partner import id_syncs, sync_ids
from kizuna_demo.platform import Credentials, Platform
from kizuna_demo.world import PARTNER_SHARE, World, build_world, partner_profiles
from servicekit.clock import SystemClock

SECRETS = ["whsec_" + "A" * 43 + "=", "whsec_" + "B" * 43 + "="]


@pytest.fixture(scope="module")
def world() -> World:
    whole = build_world(today=date(2026, 11, 22), seed=7)
    return replace(whole, people=whole.people[:3000])


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "FIRST_PAUSE_SECONDS", 0.01)


class Identity:
    """Says a new secret each time it is asked, and takes what is signed with the last; the first try is refused."""

    def __init__(self) -> None:
        self.secrets: list[str] = []
        self.taken: dict[str, Any] = {}
        self.refusals = 1

    async def rotate(self, request: web.Request) -> web.Response:
        self.secrets.append(SECRETS[len(self.secrets)])
        return web.json_response({"source_id": "partner-dmp", "signing_secret": self.secrets[-1]})

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        links = Webhook(self.secrets[-1]).verify(body, dict(request.headers))["links"]
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503)
        self.taken[request.headers["webhook-id"]] = links
        return web.json_response({"accepted": len(links), "rejected": []})


async def synced_with(identity: Identity, world: World, *, times: int) -> list[int]:
    application = web.Application(client_max_size=1_000_000)
    routes: list[tuple[str, Callable[[web.Request], Awaitable[web.StreamResponse]]]] = [
        ("/v1/sources/partner-dmp:rotateSigningSecret", identity.rotate),
        ("/v1/partners/partner-dmp/id-syncs", identity.take),
    ]
    for path, handler in routes:
        application.router.add_post(path, handler)
    async with TestServer(application) as server, aiohttp.ClientSession() as session:
        here = f"http://{server.host}:{server.port}"
        platform = Platform(session, Credentials(here, here, here, here, here, here, here, "token"))
        told = [await sync_ids(platform, world, clock=SystemClock(), on_progress=lambda _: None) for _ in range(times)]
    return [synced.accepted for synced in told]


async def test_all_links_arrive_signed_though_a_request_is_refused(world: World) -> None:
    identity = Identity()
    links = list(id_syncs(world))
    assert await synced_with(identity, world, times=1) == [len(links)]
    assert [link for taken in identity.taken.values() for link in taken] == links


async def test_told_again_it_signs_with_a_new_secret_and_repeats_the_ids_of_its_webhooks(world: World) -> None:
    identity = Identity()
    first, second = await synced_with(identity, world, times=2)
    assert first == second
    assert identity.secrets == SECRETS
    assert list(identity.taken) == [f"demo-2026-11-22-{number}" for number in range(len(identity.taken))]


def test_addresses_are_said_as_hashes_only(world: World) -> None:
    emails = {sha256(person.email.encode()).hexdigest() for person in world.people if person.email}
    for link in id_syncs(world):
        own, address = link["identifiers"]
        assert set(address) == {"namespace", "sha256"}
        assert address["sha256"] in emails
        assert own["value"].startswith("dmp-")


def test_with_those_told_before_seven_of_ten_are_linked() -> None:
    profiles = list(partner_profiles(build_world(today=date(2026, 11, 22), seed=1997)))
    known = sum(profile.is_synced or profile.draw < PARTNER_SHARE for profile in profiles)
    assert 0.69 < known / len(profiles) < 0.71
