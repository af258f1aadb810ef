"""For whom a known identifier is brought besides: told once for each legal entity and its purposes, and to whom."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
from services.identity.tests.integration.conftest import Sender
from services.identity.tests.integration.test_partners import Partner, make_partner

from contracts.identity import IdentifierLinked, IdentifierSourced
from servicekit.database import raw
from servicekit.testing import RunningService
from servicekit.workers import PeriodicWorker

MAKER, DEALER = "Kizuna Inc.", "Kizuna Shops K.K."
HANAKO: dict[str, Any] = {"type": "identify", "userId": "1", "traits": {"email": "hanako@example.jp"}}
OF_THE_TIME_BEFORE = "UPDATE identifiers SET legal_entity = NULL, purposes = '{}'"


async def make_source(service: RunningService, source_id: str, entity: str = MAKER, *purposes: str) -> Sender:
    body = {"name": source_id, "department": "sales", "brand": "kizuna", "legal_entity": entity}
    answer = await service.client.put(
        f"/v1/sources/{source_id}", json=body | {"purposes": list(purposes)}, headers=service.headers()
    )
    assert answer.status_code in {200, 201}, answer.text
    return Sender(service, source_id, answer.json().get("write_key", ""))


async def told(service: RunningService) -> list[tuple[str, str, str, list[str]]]:
    """What was said, in order of names: namespace, source, legal entity, purposes; each of them with its own id."""
    facts = await service.published(IdentifierSourced)
    assert len({one.event_id for one in facts}) == len(facts)
    return sorted((one.namespace, one.source_id, one.legal_entity, one.purposes) for one in facts)


async def seen(service: RunningService, customer_id: str, entity: str, purpose: str) -> set[str]:
    """The namespaces of what a legal entity may see of a customer."""
    body = {"customer_ids": [customer_id], "legal_entity": entity, "purpose": purpose}
    answer = await service.client.post("/v1/customers:batchGet", json=body, headers=service.headers())
    assert answer.status_code == 200, answer.text
    return {one["namespace"] for one in answer.json()["customers"][0]["identifiers"]}


async def execute(service: RunningService, statement: str, *values: Any) -> None:
    async with service.database.transaction() as session:
        await (await raw(session)).execute(statement, *values)


async def test_another_company_that_brings_it_too_is_told_once(identity: RunningService) -> None:
    shop, till = await make_source(identity, "shop"), await make_source(identity, "till")
    dealer = await make_source(identity, "dealer", DEALER)
    branch = await make_source(identity, "branch", DEALER)
    for _ in range(2):
        for source in (shop, till):  # the common case: departments of one company
            await source.resolve(HANAKO)
    assert await told(identity) == []
    for _ in range(2):
        await dealer.resolve(HANAKO)
    await branch.resolve(HANAKO)
    assert await told(identity) == [("email", "dealer", DEALER, []), ("user_id", "dealer", DEALER, [])]
    anchors = {(one.namespace, one.anchor_id, one.customer_id) for one in await identity.published(IdentifierLinked)}
    facts = await identity.published(IdentifierSourced)
    assert {(one.namespace, one.anchor_id, one.customer_id) for one in facts} == anchors


async def test_more_purposes_are_told_and_fewer_are_not(identity: RunningService) -> None:
    await (await make_source(identity, "shop", MAKER, "service")).resolve(HANAKO)
    await (await make_source(identity, "till", MAKER, "service", "marketing")).resolve(HANAKO)
    await (await make_source(identity, "web", MAKER, "marketing")).resolve(HANAKO)
    await (await make_source(identity, "other", MAKER, "analysis")).resolve({**HANAKO, "traits": {}})
    many = ["marketing", "service"]
    expected = [("email", "till", MAKER, many), ("user_id", "other", MAKER, ["analysis"])]
    assert await told(identity) == [*expected, ("user_id", "till", MAKER, many)]
    customer = str((await identity.published(IdentifierSourced))[0].customer_id)
    assert await seen(identity, customer, MAKER, "marketing") == {"email", "user_id"}
    assert await seen(identity, customer, MAKER, "ads") == set()


async def test_what_a_source_may_do_from_now_on_holds_for_what_it_brings_from_now_on(identity: RunningService) -> None:
    shop = await make_source(identity, "shop", MAKER, "service")
    await shop.resolve(HANAKO)
    await make_source(identity, "shop", MAKER, "service", "marketing")
    assert await told(identity) == []
    for _ in range(2):
        await shop.resolve({"type": "track", "event": "Agreed", "userId": "1"})
    assert await told(identity) == [("user_id", "shop", MAKER, ["marketing", "service"])]
    customer = str((await identity.published(IdentifierSourced))[0].customer_id)
    assert await seen(identity, customer, MAKER, "service") == {"email", "user_id"}
    await execute(identity, "DELETE FROM links")
    assert await seen(identity, customer, MAKER, "marketing") == {"user_id"}


async def test_two_companies_in_one_batch_with_a_merge(front_door: RunningService) -> None:
    """New to both: linked for the first, sourced for the second, with the customer it has in the end."""
    shop, dealer = await make_source(front_door, "shop"), await make_source(front_door, "dealer", DEALER)
    await shop.send({"type": "track", "event": "Seen", "anonymousId": "cookie"})
    await shop.send(HANAKO)
    await dealer.send({**HANAKO, "anonymousId": "cookie"})
    await resolve(front_door)
    assert await told(front_door) == [
        (namespace, "dealer", DEALER, []) for namespace in ("anonymous_id", "email", "user_id")
    ]
    (customer,) = {one.customer_id for one in await front_door.published(IdentifierSourced)}
    assert await customers(front_door) == {customer}


async def resolve(service: RunningService) -> None:
    """Let the service's workers take what waits."""
    stop = asyncio.Event()
    tasks = [
        asyncio.create_task(worker.run(stop))
        for worker in service.service.workers
        if worker.name in {"resolver", "relay"}
    ]
    await service.drain()
    stop.set()
    await asyncio.gather(*tasks)


async def customers(service: RunningService) -> set[Any]:
    connection: asyncpg.Connection = await service.database.connect()
    try:
        return {row["customer_id"] for row in await connection.fetch("SELECT customer_id FROM customers")}
    finally:
        await connection.close()


async def test_an_id_sync_says_for_what(identity: RunningService) -> None:
    await (await make_source(identity, "shop", "DMP K.K.", "ads")).resolve(HANAKO)
    partner: Partner = await make_partner(identity)
    named = [{"namespace": "user_id", "value": "1"}, {"namespace": "dmp.id", "value": "d-1"}]
    for number, purposes in enumerate((["ads"], ["analysis"], ["analysis"], None)):
        link = {"identifiers": named} | ({"purposes": purposes} if purposes else {})
        assert (await partner.post({"links": [link]}, webhook_id=f"msg_{number}")).status_code == 200
        await identity.drain()
    assert await told(identity) == [
        ("dmp.id", "dmp", "DMP K.K.", ["ads", "analysis"]),
        ("dmp.id", "dmp", "DMP K.K.", ["analysis"]),
        ("user_id", "dmp", "DMP K.K.", ["ads", "analysis"]),
        ("user_id", "dmp", "DMP K.K.", ["analysis"]),
    ]


async def test_a_request_delivered_again_says_nothing_again(identity: RunningService) -> None:
    """Even if the message was forgotten: as after `IDENTITY_MESSAGE_ID_DAYS`."""
    await (await make_source(identity, "shop")).resolve(HANAKO)
    dealer = await make_source(identity, "dealer", DEALER)
    event = {**HANAKO, "messageId": "m-1"}
    await dealer.resolve(event)
    await execute(identity, "DELETE FROM message_ids")
    await dealer.resolve(event)
    assert len(await told(identity)) == 2


async def test_what_was_there_before_is_told_by_a_worker_once(
    identity: RunningService, eventually: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
) -> None:
    await (await make_source(identity, "shop")).resolve(HANAKO)
    await (await make_source(identity, "till")).resolve(HANAKO)
    await (await make_source(identity, "dealer", DEALER, "marketing", "service")).resolve(HANAKO)
    await (await make_source(identity, "agent", DEALER, "ads")).resolve({"type": "track", "event": "x", "userId": "1"})
    before = await told(identity)
    await execute(identity, OF_THE_TIME_BEFORE)
    await execute(identity, "DELETE FROM identifier_grants")
    await execute(identity, "UPDATE links SET purposes = '{service}' WHERE source_id = 'dealer'")
    (worker,) = [one for one in identity.service.workers if one.name == "tell-grants"]
    assert isinstance(worker, PeriodicWorker)

    async def is_told() -> bool:
        return len(await identity.published(IdentifierSourced)) == len(before) + 3

    for _ in range(2):
        worker.wake()
        await eventually(is_told)
    facts = await identity.published(IdentifierSourced)
    assert sorted((one.namespace, one.source_id, one.purposes) for one in facts[len(before) :]) == [
        ("email", "dealer", ["service"]),  # as its link says
        ("user_id", "agent", ["ads"]),  # without a link: as its source says
        ("user_id", "dealer", ["service"]),
    ]
    assert len({one.event_id for one in facts}) == len(facts) - 1  # what was told before is the same fact
    connection: asyncpg.Connection = await identity.database.connect()
    try:
        assert await connection.fetchval("SELECT count(*) FROM identifiers WHERE legal_entity IS NULL") == 0
    finally:
        await connection.close()
