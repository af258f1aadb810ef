"""Live updates over graphql-transport-ws, told by facts on the real NATS."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest
from fake_services import answering, customer
from gateway_harness import Gateway

from gateway.errors import GatewayError
from gateway.live import LiveUpdates
from servicekit.embedded.nats_server import EmbeddedNats, NatsUser
from servicekit.nats import NatsConnection

UPDATED = "subscription($id: ID!) { customerUpdated(id: $id) { id rank { name } permissions { status } } }"


class Conversation:
    """One WebSocket, spoken as a client does."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket

    async def send(self, **message: Any) -> None:
        await self.socket.send_json(message)

    async def receive(self, *, seconds: float = 5) -> dict[str, Any]:
        message = await self.socket.receive(timeout=seconds)
        assert message.type is aiohttp.WSMsgType.TEXT, message
        content: dict[str, Any] = json.loads(message.data)
        return content

    async def closed(self) -> int:
        message = await self.socket.receive(timeout=5)
        assert message.type is aiohttp.WSMsgType.CLOSE, message
        return int(message.data)

    async def silent(self, *, seconds: float = 0.5) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await self.socket.receive(timeout=seconds)

    async def subscribe(self, number: int, *, operation: str = "1") -> None:
        payload = {"query": UPDATED, "variables": {"id": customer(number)}}
        await self.send(id=operation, type="subscribe", payload=payload)


@asynccontextmanager
async def conversation(
    gateway: Gateway, *, token: str | None = None, greet: bool = True
) -> AsyncIterator[Conversation]:
    url = f"{gateway.url}/graphql"
    async with gateway.session.ws_connect(url, protocols=("graphql-transport-ws",)) as socket:
        assert socket.protocol == "graphql-transport-ws"
        talk = Conversation(socket)
        if greet:
            await talk.send(type="connection_init", payload={"authorization": f"Bearer {token or gateway.token()}"})
            assert (await talk.receive())["type"] == "connection_ack"
        yield talk


async def tell(server: EmbeddedNats, subject: str, *customer_ids: str) -> None:
    client = await nats.connect(server.url)
    facts = [{"event_id": customer_id, "customer_id": customer_id, "more": {"a": [1]}} for customer_id in customer_ids]
    await client.publish(subject, json.dumps({"facts": facts}).encode())
    await client.flush()
    await client.close()


async def test_a_customer_is_shown_at_once_and_after_every_change(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    async with conversation(gateway) as talk:
        await talk.subscribe(1)
        first = await talk.receive()
        assert first["id"] == "1"
        seen = first["payload"]["data"]["customerUpdated"]
        assert seen == {"id": customer(1), "rank": {"name": "Gold"}, "permissions": [{"status": "granted"}]}
        await talk.silent()
        gateway.fake.withdrawn.add((customer(1), "marketing"))
        await tell(nats_server, "delivery.permission.changed.v1.3", customer(7), customer(1))
        seen = (await talk.receive())["payload"]["data"]["customerUpdated"]
        assert seen["permissions"] == [{"status": "withdrawn"}]  # read anew, not from a loader that remembers
        await talk.send(id="1", type="complete")
        await tell(nats_server, "profile.rank.changed.v1.3", customer(1))
        await talk.silent()


@pytest.mark.parametrize(
    "subject",
    ["live.profile.customers.changed.v1.1", "profile.segment.entered.v1.2", "campaign.run.ended.v1.3",
     "delivery.message.opened.v1.4", "survey.response.received.v1.5"],
)  # fmt: skip
async def test_facts_of_every_service_are_heard(gateway: Gateway, nats_server: EmbeddedNats, subject: str) -> None:
    async with conversation(gateway) as talk:
        await talk.subscribe(2)
        await talk.receive()
        await tell(nats_server, subject, customer(2))
        assert (await talk.receive())["payload"]["data"]["customerUpdated"]["id"] == customer(2)


async def test_other_customers_and_nonsense_are_nobodys_business(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    async with conversation(gateway) as talk:
        await talk.subscribe(1)
        await talk.receive()
        await tell(nats_server, "profile.segment.entered.v1.2", customer(2))
        client = await nats.connect(nats_server.url)
        for content in (b"", b"\xff", b"{}", b'{"facts": 1}', b'{"facts": [1]}', b"[" * 1000):
            await client.publish("live.nonsense", content)
        await client.flush()
        await client.close()
        await talk.silent()
        await tell(nats_server, "profile.segment.entered.v1.2", customer(1))
        assert (await talk.receive())["type"] == "next"


@pytest.mark.parametrize("gateway", [{"updates_per_second": 5.0}], indirect=True)
async def test_a_burst_is_told_a_few_times_and_to_its_end(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    async with conversation(gateway) as talk:
        await talk.subscribe(1)
        await talk.receive()
        client = await nats.connect(nats_server.url)
        content = json.dumps({"facts": [{"customer_id": customer(1)}] * 100}).encode()
        begin = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() - begin < 1:
            await client.publish("live.profile.customers.changed.v1.1", content)
            await client.flush()
        gateway.fake.withdrawn.add((customer(1), "marketing"))
        await client.publish("delivery.permission.changed.v1.1", content)
        await client.flush()
        await client.close()
        updates: list[Any] = []  # messages of the protocol
        while not updates or updates[-1]["payload"]["data"]["customerUpdated"]["permissions"][0]["status"] == "granted":
            updates.append(await talk.receive())
        assert 2 <= len(updates) <= 8


async def test_a_merge_is_followed(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    async with conversation(gateway) as talk:
        await talk.subscribe(1)
        await talk.receive()
        gateway.fake.former[customer(1)] = customer(2)
        client = await nats.connect(nats_server.url)
        moved = {"facts": [{"customer_id": customer(2), "former_customer_id": customer(1), "anchor_id": customer(9)}]}
        await client.publish("identity.anchors.moved.v1.4", json.dumps(moved).encode())
        await client.flush()
        await client.close()
        assert (await talk.receive())["payload"]["data"]["customerUpdated"]["id"] == customer(2)
        await tell(nats_server, "profile.segment.entered.v1.2", customer(2))
        assert (await talk.receive())["payload"]["data"]["customerUpdated"]["id"] == customer(2)


async def test_two_subscribers_and_queries_share_one_connection(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    async with conversation(gateway) as talk:
        await talk.subscribe(1, operation="a")
        await talk.subscribe(2, operation="b")
        assert {(await talk.receive())["id"], (await talk.receive())["id"]} == {"a", "b"}
        await talk.send(id="q", type="subscribe", payload={"query": "{ __typename }"})
        assert await talk.receive() == {"id": "q", "type": "next", "payload": {"data": {"__typename": "Query"}}}
        assert await talk.receive() == {"id": "q", "type": "complete"}
        await tell(nats_server, "profile.segment.entered.v1.2", customer(2))
        assert (await talk.receive())["id"] == "b"
        await talk.send(type="ping")
        assert (await talk.receive())["type"] == "pong"


async def test_queries_of_one_connection_do_not_remember_each_other(
    gateway: Gateway, nats_server: EmbeddedNats
) -> None:
    query = {"query": f'{{ customer(id: "{customer(1)}") {{ permissions {{ status }} }} }}'}
    async with conversation(gateway) as talk:
        for expected in ("granted", "withdrawn"):
            await talk.send(id="q", type="subscribe", payload=query)
            seen = (await talk.receive())["payload"]["data"]["customer"]
            assert seen == {"permissions": [{"status": expected}]}
            assert (await talk.receive())["type"] == "complete"
            gateway.fake.withdrawn.add((customer(1), "marketing"))


@pytest.fixture
def strict_nats(tmp_path: Path) -> Iterator[EmbeddedNats]:
    """NATS with a user who may only listen, and not to identity's moves."""
    reader = NatsUser("gateway", "secret", publish=(), subscribe=("live.>", "profile.>", "_INBOX_gateway.>"))
    with EmbeddedNats(tmp_path / "nats", users=[NatsUser("admin", "secret"), reader], durable=False) as server:
        yield server


async def test_a_user_who_may_only_listen_is_enough(strict_nats: EmbeddedNats) -> None:
    nats_connection = NatsConnection(strict_nats.url_for("gateway"), name="gateway")
    await nats_connection.start()
    await nats_connection.connected()
    live = LiveUpdates(nats_connection, max_watchers=1)
    with live.watcher() as watcher:
        watcher.watch(customer(1))
        await live.listening()
        for _ in range(2):
            await tell(strict_nats, "profile.segment.entered.v1.2", customer(1))
            await asyncio.wait_for(watcher.changed(), 5)
    await live.close()
    await nats_connection.close()


async def test_a_restart_of_nats_is_survived_and_a_long_absence_told(
    strict_nats: EmbeddedNats, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.live.GRACE_SECONDS", 1.5)
    nats_connection = NatsConnection(strict_nats.url_for("gateway"), name="gateway")
    await nats_connection.start()
    await nats_connection.connected()
    live = LiveUpdates(nats_connection, max_watchers=1)
    with live.watcher() as watcher:
        watcher.watch(customer(1))
        await live.listening()
        await asyncio.to_thread(strict_nats.stop)
        with pytest.raises(GatewayError, match="not available"):
            await asyncio.wait_for(watcher.changed(), 10)
        with pytest.raises(GatewayError), live.watcher():
            pass
        await asyncio.to_thread(strict_nats.start)
        await asyncio.wait_for(watcher.changed(), 20)  # back: whoever still watches looks again
        await tell(strict_nats, "profile.segment.entered.v1.2", customer(1))
        await asyncio.wait_for(watcher.changed(), 5)
    await live.close()
    await nats_connection.close()


async def test_nobody_is_watched_after_everybody_left(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    live: Any = gateway.service.resources["live"]  # its inside is looked at below
    async with conversation(gateway) as talk:
        await talk.subscribe(1)
        await talk.receive()
        assert live.watchers == 1
    for _ in range(100):
        if not live.watchers and not live._subscriptions:
            break
        await asyncio.sleep(0.02)
    assert live.watchers == 0
    assert live._watchers == {}
    assert live._subscriptions == []
    async with conversation(gateway) as talk:  # and it listens again
        await talk.subscribe(1)
        await talk.receive()
        await tell(nats_server, "profile.segment.entered.v1.2", customer(1))
        await talk.receive()


async def test_without_nats_queries_work_and_subscriptions_say_so(gateway: Gateway) -> None:
    async with conversation(gateway) as talk:
        await talk.subscribe(1)
        answer = await talk.receive()
        errors = answer["payload"] if answer["type"] == "error" else answer["payload"]["errors"]
        assert errors[0]["extensions"] == {"code": "UNAVAILABLE", "service": "nats"}
        assert errors[0]["path"] == ["customerUpdated"]
        assert answer["type"] == "error" or (await talk.receive())["type"] == "complete"
        await talk.send(id="q", type="subscribe", payload={"query": f'{{ customer(id: "{customer(1)}") {{ id }} }}'})
        assert (await talk.receive())["payload"]["data"]["customer"]["id"] == customer(1)


async def test_nobody_cannot_be_watched(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    async with conversation(gateway) as talk:
        for customer_id, code in (("33333333-3333-4333-8333-333333333333", "NOT_FOUND"), ("x", "BAD_USER_INPUT")):
            await talk.send(id="1", type="subscribe", payload={"query": UPDATED, "variables": {"id": customer_id}})
            answer = await talk.receive()
            errors = answer["payload"] if answer["type"] == "error" else answer["payload"]["errors"]
            assert errors[0]["extensions"] == {"code": code, "field": "id"}
            assert answer["type"] == "error" or (await talk.receive())["type"] == "complete"


async def test_a_service_that_is_down_is_null_in_updates_too(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    gateway.fake.failures["profile"] = answering(503)
    async with conversation(gateway) as talk:
        await talk.subscribe(1)
        payload = (await talk.receive())["payload"]
        assert payload["data"]["customerUpdated"] == {
            "id": customer(1),
            "rank": None,
            "permissions": [{"status": "granted"}],
        }
        assert payload["errors"][0]["extensions"]["code"] == "UNAVAILABLE"
        assert payload["errors"][0]["path"] == ["customerUpdated", "rank"]


async def test_updates_are_read_for_the_purpose_the_connection_stated(
    gateway: Gateway, nats_server: EmbeddedNats
) -> None:
    async with conversation(gateway, greet=False) as talk:
        payload = {"authorization": f"Bearer {gateway.token()}", "purpose": "recall"}
        await talk.send(type="connection_init", payload=payload)
        assert (await talk.receive())["type"] == "connection_ack"
        await talk.subscribe(1)
        assert (await talk.receive())["type"] == "next"
    assert {call.headers.get("kizuna-purpose") for call in gateway.fake.calls} == {"recall"}


@pytest.mark.parametrize("purpose", ["two\r\nlines", 3, "目的"])
async def test_a_purpose_is_one_line_of_text(gateway: Gateway, purpose: object) -> None:
    async with conversation(gateway, greet=False) as talk:
        payload = {"authorization": f"Bearer {gateway.token()}", "purpose": purpose}
        await talk.send(type="connection_init", payload=payload)
        assert await talk.closed() == 4403


async def test_a_subscription_ends_with_its_token(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    async with conversation(gateway, token=gateway.token(lifetime_seconds=1)) as talk:
        await talk.subscribe(1)
        await talk.receive()
        await asyncio.sleep(1.2)
        await tell(nats_server, "profile.segment.entered.v1.2", customer(1))
        answer = await talk.receive()
        errors = answer["payload"] if answer["type"] == "error" else answer["payload"]["errors"]
        assert errors[0]["extensions"]["code"] == "UNAUTHENTICATED"


@pytest.mark.parametrize(
    "payload", [None, {}, {"authorization": 3}, {"authorization": "Bearer nonsense"}, {"authorization": "Basic x"}]
)
async def test_nobody_listens_without_a_good_token(gateway: Gateway, payload: object) -> None:
    async with conversation(gateway, greet=False) as talk:
        await talk.send(**({"type": "connection_init"} | ({"payload": payload} if payload is not None else {})))
        assert await talk.closed() == 4403


NOT_OF_THE_PROTOCOL = (
    b"{",
    b"[]",
    b"3",
    b"{}",
    b'{"type": "nonsense"}',
    b'{"type": "subscribe"}',
    b'{"type": "subscribe", "id": "1"}',
    b'{"type": "subscribe", "id": "1", "payload": {"query": 3}}',
    b'{"type": "subscribe", "id": 1, "payload": {"query": "{x}"}}',
    b'{"type": "complete"}',
    b'{"type": "connection_init", "payload": 3}',
)


async def test_the_protocol_s_close_codes(gateway: Gateway) -> None:
    async with conversation(gateway, greet=False) as talk:
        await talk.subscribe(1)
        assert await talk.closed() == 4401
    async with conversation(gateway) as talk:
        await talk.send(type="connection_init", payload={"authorization": f"Bearer {gateway.token()}"})
        assert await talk.closed() == 4429
    for message in NOT_OF_THE_PROTOCOL:
        async with conversation(gateway) as talk:
            await talk.socket.send_str(message.decode())
            assert await talk.closed() == 4400
    async with conversation(gateway) as talk:
        await talk.socket.send_bytes(b'{"type": "ping"}')
        assert await talk.closed() == 4400


@pytest.mark.parametrize("gateway", [{"connection_init_seconds": 0.2}], indirect=True)
async def test_a_connection_must_introduce_itself_in_time(gateway: Gateway) -> None:
    async with conversation(gateway, greet=False) as talk:
        assert await talk.closed() == 4408


async def test_one_id_is_one_operation(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    async with conversation(gateway) as talk:
        await talk.subscribe(1)
        await talk.subscribe(2)
        while (message := await talk.socket.receive(timeout=5)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.data == 4409


async def test_only_this_subprotocol_is_spoken(gateway: Gateway) -> None:
    async with gateway.session.ws_connect(f"{gateway.url}/graphql", protocols=("graphql-ws",)) as socket:
        message = await socket.receive(timeout=5)
        assert message.data == 4406


@pytest.mark.parametrize("gateway", [{"max_subscribers": 1, "max_subscriptions_per_connection": 2}], indirect=True)
async def test_there_are_not_more_subscribers_than_allowed(gateway: Gateway, nats_server: EmbeddedNats) -> None:
    async with conversation(gateway) as talk:
        await talk.subscribe(1, operation="a")
        await talk.receive()
        await talk.subscribe(1, operation="b")
        answer = await talk.receive()
        errors = answer["payload"] if answer["type"] == "error" else answer["payload"]["errors"]
        assert errors[0]["extensions"]["code"] == "LIMIT_EXCEEDED"


async def test_documents_are_limited_here_too(gateway: Gateway) -> None:
    async with conversation(gateway) as talk:
        for query, code in (
            ("{", "GRAPHQL_PARSE_FAILED"),
            ("{ nobody }", "GRAPHQL_VALIDATION_FAILED"),
            ("{" + " ".join(f"a{n}: __typename" for n in range(40)) + "}", "LIMIT_EXCEEDED"),
        ):
            await talk.send(id="q", type="subscribe", payload={"query": query})
            answer = await talk.receive()
            assert answer["type"] == "error"
            assert answer["payload"][0]["extensions"]["code"] == code
