"""Who may do what in NATS, on a real server with the declared streams and consumers."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.aio.client import Client

from contracts.topology import CONSUMERS, STREAMS, WRITE_KEYS_BUCKET
from kizuna_local import event_log
from kizuna_local.addresses import SERVICES
from kizuna_local.home import Home
from servicekit.embedded.nats_server import EmbeddedNats


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[EmbeddedNats]:
    home = Home(tmp_path)
    home.prepare()
    with EmbeddedNats(home.nats, users=event_log.users(home), durable=False) as running:
        await event_log.prepare(running.url)
        yield running


@asynccontextmanager
async def connected(server: EmbeddedNats, user: str) -> AsyncIterator[Client]:
    client = await nats.connect(
        server.url_for(user), inbox_prefix=f"_INBOX_{user}".encode(), allow_reconnect=False, connect_timeout=5
    )
    try:
        yield client
    finally:
        await client.close()


async def is_refused(client: Client, attempt: Awaitable[object]) -> bool:
    """Whether the server objects to what `attempt` does: it says so before it answers the second flush.

    (The first flush's ping may overtake the attempt: nats-py writes it at once, the rest from a queue.)
    """
    await attempt
    await client.flush(timeout=10)
    await client.flush(timeout=10)
    return "permissions violation" in str(client.last_error).lower()


async def test_every_service_publishes_its_own_facts_and_gets_the_answer(server: EmbeddedNats) -> None:
    for service in SERVICES:
        async with connected(server, service) as client:
            acknowledged = await client.jetstream().publish(f"{service}.thing.happened.v1.0", b"{}")
            assert acknowledged.stream == service
            assert not await is_refused(client, client.publish(f"live.{service}.changed", b"{}"))


@pytest.mark.parametrize("service", [*SERVICES, "gateway"])
async def test_nobody_publishes_anothers_facts(server: EmbeddedNats, service: str) -> None:
    others = [subject for other in SERVICES if other != service for subject in (f"{other}.a.v1.0", f"live.{other}.a")]
    forbidden = ["$KV.write_keys.x", "ingest.requests.v1", "_INBOX_profile.1"]
    for subject in [*others, *(forbidden if service != "identity" else forbidden[2:])]:
        async with connected(server, service) as client:
            assert await is_refused(client, client.publish(subject, b"{}")), subject


async def test_every_declared_consumer_is_pulled_by_its_service_alone(server: EmbeddedNats) -> None:
    for consumer in CONSUMERS:
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{consumer.stream}.{consumer.service}"
        for user in (*SERVICES, "gateway"):
            async with connected(server, user) as client:
                request = client.publish(subject, b'{"batch": 1, "no_wait": true}', reply=client.new_inbox())
                assert await is_refused(client, request) is (user != consumer.service), (user, subject)


async def test_a_pulled_fact_is_acknowledged_by_its_consumer(server: EmbeddedNats) -> None:
    async with connected(server, "survey") as survey, connected(server, "profile") as profile:
        await survey.jetstream().publish("survey.response.received.v1.0", b"{}")
        pulled = await profile.jetstream().pull_subscribe_bind("profile", stream="survey")
        [message] = await pulled.fetch(1, timeout=5)
        await message.ack_sync(timeout=2)
        information = await pulled.consumer_info()
    assert information.ack_floor is not None
    assert information.ack_floor.stream_seq == 1
    assert information.num_ack_pending == 0


async def test_nobody_listens_to_anothers_answers_or_to_raw_streams(server: EmbeddedNats) -> None:
    for service in SERVICES:
        for subject in ("_INBOX_gateway.>", "_INBOX.>", ">", "identity.>", "$JS.>", "ingest.>"):
            async with connected(server, service) as client:
                assert await is_refused(client, client.subscribe(subject)), (service, subject)


async def test_the_gateway_hears_what_happens_but_not_who_is_who(server: EmbeddedNats) -> None:
    async with connected(server, "gateway") as gateway, connected(server, "profile") as profile:
        heard = await gateway.subscribe("profile.>")
        await gateway.flush()
        await profile.jetstream().publish("profile.rank.changed.v1.0", b"gold")
        assert (await heard.next_msg(timeout=5)).data == b"gold"
        assert await is_refused(gateway, gateway.subscribe("identity.>"))


async def test_identity_keeps_the_write_keys_and_others_cannot_read_them(server: EmbeddedNats) -> None:
    async with connected(server, "identity") as identity:
        bucket = await identity.jetstream().key_value(WRITE_KEYS_BUCKET)
        watcher: Any = await bucket.watchall()  # Any: nats-py does not type it
        assert await watcher.updates(timeout=5) is None  # nothing in it yet
        await bucket.put("shop", b"source")
        update = await watcher.updates(timeout=5)
        assert update is not None
        assert (update.key, update.value) == ("shop", b"source")
        assert (await bucket.get("shop")).value == b"source"
        await bucket.delete("shop")
        await watcher.stop()
        assert identity.last_error is None
    async with connected(server, "profile") as profile:
        stream = f"KV_{WRITE_KEYS_BUCKET}"
        request = profile.publish(
            f"$JS.API.DIRECT.GET.{stream}.$KV.{WRITE_KEYS_BUCKET}.shop", reply=profile.new_inbox()
        )
        assert await is_refused(profile, request)


async def test_no_service_changes_streams(server: EmbeddedNats) -> None:
    for service in SERVICES:
        for action in ("DELETE", "PURGE", "UPDATE"):
            async with connected(server, service) as client:
                request = client.publish(f"$JS.API.STREAM.{action}.{service}", b"{}")
                assert await is_refused(client, request), (service, action)


async def test_preparing_twice_changes_nothing(server: EmbeddedNats) -> None:
    await event_log.prepare(server.url)
    async with connected(server, event_log.ADMINISTRATOR) as administrator:
        names = {stream.config.name for stream in await administrator.jetstream().streams_info()}
    assert names == {*(stream.name for stream in STREAMS), f"KV_{WRITE_KEYS_BUCKET}"}
