"""The embedded nats-server, on the real binary and the real client."""

import asyncio
import json
import os
import shutil
import signal
import stat
import urllib.request
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import nats
import pytest
from nats.aio.client import Client
from nats.errors import Error as NatsError

from servicekit.embedded.errors import EmbeddedServerError
from servicekit.embedded.nats_server import EmbeddedNats, NatsUser

Result = TypeVar("Result")


def with_client(url: str, work: Callable[[Client], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        client = await nats.connect(url, allow_reconnect=False)
        try:
            return await work(client)
        finally:
            await client.close()

    return asyncio.run(run())


async def make_stream(client: Client) -> None:
    await client.jetstream().add_stream(name="profile", subjects=["profile.>"])


async def count_messages(client: Client) -> int:
    return (await client.jetstream().stream_info("profile")).state.messages


async def publish_one(client: Client) -> None:
    await client.jetstream().publish("profile.rank.changed.v1.0", b"{}")


@pytest.mark.parametrize("durable", [True, False])
def test_an_acknowledged_message_survives_a_killed_server(tmp_path: Path, durable: bool) -> None:
    with EmbeddedNats(tmp_path, durable=durable) as server:
        with_client(server.url, make_stream)
        with_client(server.url, publish_one)
        killed, url = server.pid, server.url
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        server.start()
        assert server.url == url and server.pid not in (None, killed)
        assert with_client(server.url, count_messages) == 1


def test_the_platform_syncs_every_message_and_tests_do_not(tmp_path: Path) -> None:
    for durable, expected in ((True, True), (False, False)):
        with EmbeddedNats(tmp_path / str(durable), durable=durable) as server:
            state = json.loads(urllib.request.urlopen(f"{server.monitor_url}/jsz", timeout=5).read())
            assert state["config"].get("sync_always", False) is expected


@pytest.mark.parametrize("durable", [True, False])
def test_streams_may_reserve_more_than_the_disk_has(tmp_path: Path, durable: bool) -> None:
    async def reserve(client: Client) -> int:
        more_than_free = shutil.disk_usage(tmp_path).total + 2**30
        info = await client.jetstream().add_stream(name="large", subjects=["large.>"], max_bytes=more_than_free)
        return info.state.messages

    with EmbeddedNats(tmp_path, durable=durable) as server:
        assert with_client(server.url, reserve) == 0


def test_a_user_publishes_and_reads_only_what_it_may(tmp_path: Path) -> None:
    users = [
        NatsUser("admin", "top-secret"),
        NatsUser("survey", "s", publish=("survey.>",), subscribe=("_INBOX_survey.>",)),
        NatsUser("gateway", "g", publish=(), subscribe=("survey.>",)),
    ]

    async def publish_elsewhere(client: Client) -> None:
        await client.publish("profile.rank.changed.v1.0", b"{}")
        await client.flush()
        await asyncio.sleep(0.1)
        raise client.last_error or AssertionError("the server let it pass")

    async def subscribe_elsewhere(client: Client) -> None:
        await client.subscribe("profile.>")
        await client.flush()
        await asyncio.sleep(0.1)
        raise client.last_error or AssertionError("the server let it pass")

    with EmbeddedNats(tmp_path, users=users) as server:
        with_client(server.url, make_stream)
        trespasses = (("survey", publish_elsewhere), ("survey", subscribe_elsewhere), ("gateway", publish_elsewhere))
        for name, forbidden in trespasses:
            with pytest.raises(NatsError, match="(?i)permissions violation"):
                with_client(server.url_for(name), forbidden)
        with pytest.raises(NatsError, match="(?i)authorization"):
            with_client(f"nats://127.0.0.1:{server.port}", publish_one)
        assert with_client(server.url, count_messages) == 0
        assert stat.S_IMODE(server.configuration_file.stat().st_mode) == 0o600


def test_a_server_left_by_a_killed_launcher_is_replaced(tmp_path: Path) -> None:
    with EmbeddedNats(tmp_path) as left_over:
        with_client(left_over.url, make_stream)
        with_client(left_over.url, publish_one)
        number = left_over.pid
        newcomer = EmbeddedNats(tmp_path, port=left_over.port, monitor_port=left_over.monitor_port)
        with newcomer:
            assert newcomer.pid != number
            assert with_client(newcomer.url, count_messages) == 1


def test_a_port_in_use_is_said(tmp_path: Path) -> None:
    with (
        EmbeddedNats(tmp_path / "first") as first,
        pytest.raises(EmbeddedServerError, match="address already in use"),
    ):
        EmbeddedNats(tmp_path / "second", port=first.port).start()


def test_a_payload_over_one_megabyte_is_refused(tmp_path: Path) -> None:
    async def read_limit(client: Client) -> int:
        return client.max_payload

    with EmbeddedNats(tmp_path) as server:
        assert with_client(server.url, read_limit) == 1024 * 1024


def test_a_password_the_client_would_misread_is_refused() -> None:
    with pytest.raises(ValueError, match="letters, digits"):
        NatsUser("survey", "top/secret")
