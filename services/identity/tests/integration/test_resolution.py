"""From the front door to customers, links and resolved events."""

import asyncio
import json
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from contracts.identity import AnchorMoved, IdentifierLinked, ResolvedEvent
from identity_service import handlers
from identity_service.app import build
from identity_service.repository import resolution as repository
from identity_service.service.resolution import resolve_batch
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running


def track(message_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "track", "event": "Order Completed", "messageId": message_id, **fields}


async def look_up(service: RunningService, *names: tuple[str, str]) -> list[str | None]:
    body = {"identifiers": [{"namespace": namespace, "value": value} for namespace, value in names]}
    answer = await service.client.post(
        "/v1/identifiers:batchLookup", json=body, headers=service.headers("identity:read")
    )
    return [one["customer_id"] for one in answer.json()["identifiers"]]


async def coverage(service: RunningService) -> dict[str, Any]:
    answer = await service.client.get("/v1/coverage", headers=service.headers("identity:read"))
    result: dict[str, Any] = answer.json()
    return result


async def test_an_event_becomes_a_fact_of_its_customer(identity: RunningService, shop: Any) -> None:
    await shop.resolve(
        track("m1", userId="1", anonymousId="a1", timestamp="2025-05-20T12:00:00+09:00", properties={"revenue": 12.5}),
        {"type": "identify", "messageId": "m2", "userId": "1", "traits": {"email": "Hanako@Example.JP"}},
        {"type": "page", "messageId": "m3", "anonymousId": "a1", "name": "Top"},
    )
    first, second, third = await identity.published(ResolvedEvent)
    [customer] = {event.customer_id for event in (first, second, third)}
    assert (first.kind, first.name, first.properties, first.source_id, first.message_id) == (
        "track", "Order Completed", {"revenue": 12.5}, "shop", "m1",
    )  # fmt: skip
    assert first.occurred_at.isoformat() == "2025-05-20T03:00:00+00:00"
    assert (second.name, second.traits) == ("Identified", {"email": "Hanako@Example.JP"})
    assert (third.name, third.properties) == ("Page Viewed", {"name": "Top"})
    linked = await identity.published(IdentifierLinked)
    assert [(one.namespace, one.value, one.rule, one.customer_id) for one in linked] == [
        ("user_id", "1", "first_seen", customer),
        ("anonymous_id", "a1", "same_event", customer),
        ("email", "hanako@example.jp", "same_event", customer),
    ]
    anchors = {one.namespace: one.anchor_id for one in linked}
    assert [event.anchor_id for event in (first, second, third)] == [
        anchors["user_id"], anchors["user_id"], anchors["anonymous_id"],
    ]  # fmt: skip


async def test_two_customers_become_one_and_the_former_id_keeps_resolving(
    identity: RunningService, shop: Any, crm: Any
) -> None:
    await shop.resolve(track("m1", anonymousId="a1"))
    await crm.resolve(
        {"type": "identify", "messageId": "c1", "userId": "1", "traits": {"email": "a@b.jp", "phone": "0312345678"}}
    )
    older, younger = await look_up(identity, ("anonymous_id", "a1"), ("user_id", "1"))
    assert older != younger
    await shop.resolve(track("m2", userId="1", anonymousId="a1"))
    moved = await identity.published(AnchorMoved)
    assert {(str(one.former_customer_id), str(one.customer_id), one.version) for one in moved} == {(younger, older, 2)}
    assert len(moved) == 3
    found = await look_up(
        identity, ("anonymous_id", "a1"), ("user_id", "1"), ("email", "A@B.jp"), ("phone", "03-1234-5678")
    )
    assert found == [older] * 4
    answer = await identity.client.post(
        "/v1/customers:batchGet", json={"customer_ids": [younger, older, str(uuid4())]}, headers=identity.headers()
    )
    former, current, unknown = answer.json()["customers"]
    assert former["customer_id"] == younger
    assert former["current_customer_id"] == current["current_customer_id"] == older
    assert former["identifiers"] == current["identifiers"]
    assert [one["namespace"] for one in current["identifiers"]] == ["anonymous_id", "user_id", "email", "phone"]
    assert (unknown["current_customer_id"], unknown["identifiers"]) == (None, [])
    counts = await coverage(identity)
    assert (counts["customers"], counts["known"], counts["linked"], counts["identifiers"]) == (1, 1, 1, 4)


async def test_a_chain_of_merges_in_one_batch_ends_at_the_oldest(identity: RunningService, shop: Any) -> None:
    await shop.resolve(*(track(f"m{number}", anonymousId=f"a{number}") for number in range(4)))
    before = await look_up(identity, *(("anonymous_id", f"a{number}") for number in range(4)))
    await shop.resolve(
        track("n1", userId="9", anonymousId="a3"),
        {"type": "identify", "messageId": "n2", "anonymousId": "a2", "traits": {"email": "x@y.jp"}},
        {"type": "identify", "messageId": "n3", "userId": "9", "traits": {"email": "x@y.jp"}},
        track("n4", userId="9", anonymousId="a0"),
        track("n5", userId="9", anonymousId="a1"),
    )
    after = await look_up(identity, *(("anonymous_id", f"a{number}") for number in range(4)))
    assert after == [before[0]] * 4
    answer = await identity.client.post(
        "/v1/customers:batchGet", json={"customer_ids": before}, headers=identity.headers()
    )
    assert {one["current_customer_id"] for one in answer.json()["customers"]} == {before[0]}
    events = await identity.published(ResolvedEvent)
    assert {str(event.customer_id) for event in events if event.message_id.startswith("n")} == {before[0]}
    last: dict[UUID, AnchorMoved] = {}
    for move in await identity.published(AnchorMoved):
        if move.anchor_id not in last or last[move.anchor_id].version < move.version:
            last[move.anchor_id] = move
    assert {str(move.customer_id) for move in last.values()} == {before[0]}


async def test_a_known_person_with_anothers_email_stays_apart(identity: RunningService, shop: Any) -> None:
    for number in ("1", "2"):
        await shop.resolve(
            {"type": "identify", "messageId": f"m{number}", "userId": number, "traits": {"email": "family@example.jp"}}
        )
    first, second, email = await look_up(identity, ("user_id", "1"), ("user_id", "2"), ("email", "family@example.jp"))
    assert first == email != second


async def test_rules_can_be_changed(identity: RunningService, shop: Any) -> None:
    answer = await identity.client.put(
        "/v1/namespaces/anonymous_id",
        json={"limit": 1, "priority": 4, "blocked_values": ["test-.*"]},
        headers=identity.headers(),
    )
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    await shop.resolve(track("m1", userId="1", anonymousId="a1"), track("m2", userId="1", anonymousId="a2"))
    await shop.resolve(track("m3", anonymousId="TEST-1"), track("m4", anonymousId="null"))
    one, other, blocked, allowed = await look_up(
        identity, ("anonymous_id", "a1"), ("anonymous_id", "a2"), ("anonymous_id", "TEST-1"), ("anonymous_id", "null")
    )
    assert one is not None and other is None and blocked is None and allowed is not None


async def test_a_message_counts_once_however_often_it_is_sent(identity: RunningService, shop: Any, crm: Any) -> None:
    await shop.resolve(track("m1", userId="1"), track("m1", userId="1"), track("m2", userId="1"))
    await shop.resolve(track("m1", userId="1"), track("m3", userId="1"))
    await crm.resolve(track("m1", userId="1"))
    events = await identity.published(ResolvedEvent)
    assert [(event.source_id, event.message_id) for event in events] == [
        ("shop", "m1"), ("shop", "m2"), ("shop", "m3"), ("crm", "m1"),
    ]  # fmt: skip
    counts = await coverage(identity)
    assert (counts["accepted_events"], counts["duplicate_events"]) == (4, 2)


async def test_events_without_a_message_id_are_all_taken(identity: RunningService, shop: Any) -> None:
    event = {"type": "track", "event": "x", "userId": "1"}
    await shop.resolve(event, event)
    events = await identity.published(ResolvedEvent)
    assert len({one.message_id for one in events}) == 2


async def test_after_its_time_a_message_id_is_forgotten(
    identity: RunningService, shop: Any, clock: FrozenClock, eventually: Any
) -> None:
    await shop.resolve(track("m1", userId="1"))
    clock.advance(timedelta(hours=25))
    await shop.resolve(track("m1", userId="1"))
    assert (await coverage(identity))["duplicate_events"] == 1
    clock.advance(timedelta(days=8))
    worker = next(one for one in identity.service.workers if one.name == "forget-messages")
    worker.wake()  # type: ignore[attr-defined]  # it is a PeriodicWorker
    connection = await identity.database.connect()

    async def is_forgotten() -> bool:
        return not await connection.fetchval("SELECT count(*) FROM message_ids")

    await eventually(is_forgotten)
    await connection.close()


async def test_what_cannot_be_taken_is_kept_for_review(identity: RunningService, shop: Any) -> None:
    bad = {"type": "track", "userId": "1", "properties": {"note": "as it came"}}
    await shop.resolve(track("m1", userId="1"), bad, track("m2", userId="0000", anonymousId="null"))
    answer = await identity.client.get("/v1/rejections", headers=identity.headers("identity:read"))
    found = {one["index"]: one for one in answer.json()["items"]}
    assert (found[1]["field"], json.loads(found[1]["payload"])) == ("event", bad)
    assert (found[2]["field"], found[2]["source_id"]) == ("userId", "shop")
    counts = await coverage(identity)
    assert (counts["accepted_events"], counts["rejected_events"]) == (1, 2)
    page = await identity.client.get("/v1/rejections?first=1", headers=identity.headers("identity:read"))
    rest = await identity.client.get(
        "/v1/rejections", params={"first": 1, "after": page.json()["next"]}, headers=identity.headers("identity:read")
    )
    assert {one["index"] for one in page.json()["items"] + rest.json()["items"]} == {1, 2}
    assert rest.json()["next"] is None


async def test_a_redelivered_request_publishes_the_same_again(
    environment: Environment, clock: FrozenClock, kiosk: Any, eventually: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resolver dies between its commit and its publishing."""
    await kiosk.send(track("m1", userId="1"), track("m2", anonymousId="a1"), {"type": "track"}, track("m1", userId="1"))
    first = kiosk.service
    resolver = first.service.workers[0]
    published: list[list[str]] = []

    async def die(envelopes: Any) -> None:
        published.append([one["event_id"] for envelope in envelopes for one in json.loads(envelope.body)["facts"]])
        raise asyncio.CancelledError

    monkeypatch.setattr(first.nats, "publish_all", die)
    with pytest.raises(asyncio.CancelledError):
        await resolver.run(asyncio.Event())
    monkeypatch.undo()
    jetstream = first.nats.jetstream
    config = (await jetstream.consumer_info("ingest", "identity")).config
    config.ack_wait = 1
    await jetstream.add_consumer("ingest", config)
    async with running(build, Settings, environment, clock=clock, database_url=first.database.url) as second:

        async def is_published() -> bool:
            return bool(await second.published(ResolvedEvent))

        await eventually(is_published)
        events = await second.published(ResolvedEvent)
        assert sorted(str(event.event_id) for event in events) == sorted(published[0])
        counts = await coverage(second)
        assert (counts["accepted_events"], counts["rejected_events"], counts["duplicate_events"]) == (2, 1, 1)
        assert counts["customers"] == 2
        assert len(await second.published(IdentifierLinked)) == 2


async def test_one_bad_event_does_not_stop_the_others(
    identity: RunningService, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever makes a batch fail for good: the one event is put aside, the rest is resolved."""
    real = repository.find_named_anchors

    async def fail_on_poison(connection: Any, named: Any, customers: Any) -> Any:
        if any(name.value == "poison" for name, _ in named):
            raise ZeroDivisionError
        return await real(connection, named, customers)

    monkeypatch.setattr(repository, "find_named_anchors", fail_on_poison)
    good = [track(f"m{number}", userId=f"{number}1") for number in range(7)]
    await shop.resolve(*good[:3], track("bad", userId="poison"), *good[3:], {"type": "track"})
    assert {event.message_id for event in await identity.published(ResolvedEvent)} == {
        f"m{number}" for number in range(7)
    }
    answer = await identity.client.get("/v1/rejections", headers=identity.headers("identity:read"))
    assert {one["index"]: one["detail"] for one in answer.json()["items"]}[
        3
    ] == "Cannot be resolved (ZeroDivisionError)."
    counts = await coverage(identity)
    assert (counts["accepted_events"], counts["rejected_events"]) == (7, 2)


async def test_a_message_nobody_can_read_does_not_block_the_log(identity: RunningService, shop: Any) -> None:
    await identity.nats.jetstream.publish("ingest.requests.v1", b"?", headers={"Kizuna-Kind": "batch"})
    await shop.resolve(track("m1", userId="1"))
    assert len(await identity.published(ResolvedEvent)) == 1


async def test_a_database_that_is_away_delays_and_loses_nothing(
    identity: RunningService, shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = asyncio.Event()
    real = resolve_batch

    async def refuse(*_: Any, **__: Any) -> Any:
        tried.set()
        raise ConnectionRefusedError

    monkeypatch.setattr(handlers, "resolve_batch", refuse)
    await shop.send(track("m1", userId="1"))
    async with asyncio.timeout(5):
        await tried.wait()
    monkeypatch.setattr(handlers, "resolve_batch", real)
    await identity.drain()
    assert len(await identity.published(ResolvedEvent)) == 1


async def test_a_resolver_whose_connections_die_goes_on(identity: RunningService, shop: Any) -> None:
    await shop.resolve(track("m1", userId="1"))
    admin = await identity.database.connect()
    await admin.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> $1",
        admin.get_server_pid(),
    )
    await admin.close()
    await shop.resolve(track("m2", userId="1"))
    assert [event.message_id for event in await identity.published(ResolvedEvent)] == ["m1", "m2"]


async def test_a_large_batch_is_resolved_set_wise(identity: RunningService, shop: Any) -> None:
    events = [track(f"m{number}", userId=f"u{number % 700}", anonymousId=f"a{number % 700}") for number in range(2400)]
    await shop.resolve(*events)
    resolved = await identity.published(ResolvedEvent)
    assert len({event.event_id for event in resolved}) == 2400
    counts = await coverage(identity)
    assert (counts["customers"], counts["linked"], counts["by_namespace"]) == (
        700,
        700,
        {"anonymous_id": 700, "user_id": 700},
    )
