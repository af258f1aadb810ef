"""Agreements between legal entities, and what each may see under them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from services.identity.tests.integration.conftest import NOW, Sender

from contracts.identity import AgreementChanged
from servicekit.clock import FrozenClock
from servicekit.database import raw
from servicekit.testing import RunningService
from servicekit.workers import PeriodicWorker

MAKER, DEALER = "Kizuna Inc.", "Kizuna Shops K.K."
AGREEMENT: dict[str, Any] = {
    "from_entity": DEALER,
    "to_entity": MAKER,
    "purposes": ["crm"],
    "valid_from": (NOW - timedelta(days=1)).isoformat(),
    "valid_until": (NOW + timedelta(days=30)).isoformat(),
    "evidence": "contract 2026-114, legal department",
}


async def _make_sender(service: RunningService, source_id: str, **values: Any) -> Sender:
    body = {"name": source_id, "department": "sales", "brand": "kizuna", "legal_entity": MAKER} | values
    answer = await service.client.put(f"/v1/sources/{source_id}", json=body, headers=service.headers())
    assert answer.status_code == 201, answer.text
    return Sender(service, source_id, answer.json()["write_key"])


async def _agree(service: RunningService, **values: Any) -> None:
    answer = await service.client.put(
        "/v1/agreements/dealers", json=AGREEMENT | values, headers=service.headers("identity:write")
    )
    assert answer.status_code in {200, 201}, answer.text


async def _seen(service: RunningService, customer_id: str, entity: str, purpose: str = "crm") -> set[str]:
    answer = await service.client.post(
        "/v1/customers:batchGet",
        json={"customer_ids": [customer_id], "legal_entity": entity, "purpose": purpose},
        headers=service.headers(),
    )
    assert answer.status_code == 200, answer.text
    [customer] = answer.json()["customers"]
    return {f"{one['namespace']}:{one['value']}" for one in customer["identifiers"]}


async def _customer_of(service: RunningService, namespace: str, value: str) -> str:
    question = {"identifiers": [{"namespace": namespace, "value": value}]}
    answer = await service.client.post("/v1/identifiers:batchLookup", json=question, headers=service.headers())
    customer_id: str = answer.json()["identifiers"][0]["customer_id"]
    return customer_id


@pytest.fixture
async def washing_machine(identity: RunningService) -> str:
    """A customer known to both: the maker has (user 1, mail), the dealer (mail, card) and (card, telephone)."""
    maker = await _make_sender(identity, "maker")
    dealer = await _make_sender(identity, "dealer", legal_entity=DEALER)
    await maker.resolve({"type": "identify", "userId": "1", "traits": {"email": "a@example.jp"}})
    card = {"context": {"externalIds": [{"type": "dealer.card", "id": "77", "collection": "users"}]}}
    await dealer.resolve({"type": "identify", "traits": {"email": "a@example.jp"}, **card})
    await dealer.resolve({"type": "identify", "traits": {"phone": "03-1234-5678"}, **card})
    return await _customer_of(identity, "user_id", "1")


async def test_a_link_made_for_one_company_is_not_given_to_another(
    identity: RunningService, washing_machine: str
) -> None:
    everything = {"user_id:1", "email:a@example.jp", "dealer.card:77", "phone:+81312345678"}
    answer = await identity.client.post(
        "/v1/customers:batchGet", json={"customer_ids": [washing_machine]}, headers=identity.headers()
    )
    held = answer.json()["customers"][0]["identifiers"]
    assert {f"{one['namespace']}:{one['value']}" for one in held} == everything
    assert await _seen(identity, washing_machine, MAKER) == {"user_id:1", "email:a@example.jp"}
    assert await _seen(identity, washing_machine, DEALER) == everything - {"user_id:1"}
    assert await _seen(identity, washing_machine, "Somebody Else K.K.") == set()


async def test_an_agreement_lets_it_through_for_its_purpose_while_it_is_in_force(
    identity: RunningService, washing_machine: str, clock: FrozenClock
) -> None:
    everything = {"user_id:1", "email:a@example.jp", "dealer.card:77", "phone:+81312345678"}
    await _agree(identity)
    assert await _seen(identity, washing_machine, MAKER) == everything
    assert await _seen(identity, washing_machine, MAKER, "ads") == {"user_id:1", "email:a@example.jp"}
    assert await _seen(identity, washing_machine, DEALER) == everything - {"user_id:1"}  # it goes one way
    clock.advance(timedelta(days=30))
    assert await _seen(identity, washing_machine, MAKER) == {"user_id:1", "email:a@example.jp"}
    await _agree(identity, valid_from=(NOW + timedelta(days=60)).isoformat(), valid_until=None)
    assert await _seen(identity, washing_machine, MAKER) == {"user_id:1", "email:a@example.jp"}
    clock.advance(timedelta(days=30))
    assert await _seen(identity, washing_machine, MAKER) == everything


async def test_purposes_of_sources_and_links_are_respected(identity: RunningService) -> None:
    shop = await _make_sender(identity, "shop", purposes=["crm"])
    await shop.resolve({"type": "identify", "userId": "1", "traits": {"email": "a@example.jp"}})
    customer_id = await _customer_of(identity, "user_id", "1")
    assert await _seen(identity, customer_id, MAKER) == {"user_id:1", "email:a@example.jp"}
    assert await _seen(identity, customer_id, MAKER, "ads") == set()
    anybody = await _make_sender(identity, "till")
    await anybody.resolve({"type": "track", "event": "Visited", "userId": "1"})
    await _execute(identity, "UPDATE links SET purposes = '{crm}'")
    assert await _seen(identity, customer_id, MAKER, "ads") == {"user_id:1"}


async def _execute(service: RunningService, statement: str) -> None:
    connection: asyncpg.Connection = await service.database.connect()
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def test_agreements_are_made_changed_listed_and_removed(front_door: RunningService) -> None:
    client, headers = front_door.client, front_door.headers()
    made = await client.put("/v1/agreements/dealers", json=AGREEMENT, headers=headers)
    assert (made.status_code, made.headers["ETag"]) == (201, '"1"')
    again = await client.put("/v1/agreements/dealers", json=AGREEMENT, headers=headers)
    assert (again.status_code, again.headers["ETag"]) == (200, '"1"')
    ended = {**AGREEMENT, "valid_until": NOW.isoformat()}
    stale = await client.put("/v1/agreements/dealers", json=ended, headers=headers | {"If-Match": '"2"'})
    assert stale.status_code == 412
    changed = await client.put("/v1/agreements/dealers", json=ended, headers=headers | {"If-Match": '"1"'})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert (await client.get("/v1/agreements/dealers", headers=headers)).json() == changed.json()
    await client.put("/v1/agreements/group", json=AGREEMENT, headers=headers)
    page = (await client.get("/v1/agreements", params={"first": 1}, headers=headers)).json()
    rest = (await client.get("/v1/agreements", params={"after": page["next"]}, headers=headers)).json()
    assert [one["agreement_id"] for one in page["items"] + rest["items"]] == ["dealers", "group"]
    assert rest["next"] is None
    assert (await client.delete("/v1/agreements/dealers", headers=headers)).status_code == 204
    assert (await client.delete("/v1/agreements/dealers", headers=headers)).status_code == 404
    assert (await client.get("/v1/agreements/dealers", headers=headers)).status_code == 404


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"to_entity": DEALER}, "to_entity"),
        ({"valid_until": AGREEMENT["valid_from"]}, "valid_until"),
        ({"valid_from": "yesterday"}, "valid_from"),
        ({"evidence": " "}, "evidence"),
        ({"purposes": ["a b"]}, "purposes.0"),
    ],
)
async def test_a_bad_agreement_is_refused(front_door: RunningService, change: dict[str, Any], field: str) -> None:
    answer = await front_door.client.put("/v1/agreements/x", json=AGREEMENT | change, headers=front_door.headers())
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


@pytest.mark.parametrize("half", [{"legal_entity": MAKER}, {"purpose": "crm"}])
async def test_legal_entity_and_purpose_go_together(front_door: RunningService, half: dict[str, str]) -> None:
    body = {"customer_ids": ["00000000-0000-7000-8000-000000000000"], **half}
    answer = await front_door.client.post("/v1/customers:batchGet", json=body, headers=front_door.headers())
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["purpose"]


async def test_every_version_is_told_once_and_a_removed_agreement_never_comes_back_by_itself(
    identity: RunningService, clock: FrozenClock
) -> None:
    await _agree(identity)
    await _agree(identity)  # the same again
    clock.advance(timedelta(hours=1))
    await _agree(identity, purposes=[])
    place, headers = "/v1/agreements/dealers", identity.headers("identity:write")
    assert (await identity.client.delete(place, headers=headers)).status_code == 204
    again = await identity.client.put(place, json=AGREEMENT, headers=headers)
    assert (again.status_code, again.json()["version"]) == (201, 4)
    told = await identity.published(AgreementChanged)
    assert [(one.version, one.purposes, one.removed) for one in told] == [
        (1, ["crm"], False),
        (2, [], False),
        (3, [], True),
        (4, ["crm"], False),
    ]
    assert {(one.agreement_id, one.from_entity, one.to_entity) for one in told} == {("dealers", DEALER, MAKER)}
    assert len({one.event_id for one in told}) == 4


async def test_what_was_removed_holds_no_more(
    identity: RunningService, washing_machine: str, clock: FrozenClock
) -> None:
    await _agree(identity)
    headers = identity.headers("identity:write", "identity:read")
    assert (await identity.client.delete("/v1/agreements/dealers", headers=headers)).status_code == 204
    assert await _seen(identity, washing_machine, MAKER) == {"user_id:1", "email:a@example.jp"}
    assert (await identity.client.get("/v1/agreements", headers=headers)).json()["items"] == []


async def test_agreements_of_the_time_before_are_told_when_the_service_works(
    identity: RunningService, eventually: Callable[[Callable[[], Awaitable[bool]]], Awaitable[None]]
) -> None:
    insert = """
        INSERT INTO agreements (agreement_id, from_entity, to_entity, purposes, valid_from, evidence, version,
            created_at, updated_at) VALUES ('old', $1, $2, '{ads}', $3, 'a letter', 7, $3, $3)
    """
    async with identity.database.transaction() as session:
        await (await raw(session)).execute(insert, DEALER, MAKER, NOW)
    (worker,) = [one for one in identity.service.workers if one.name == "tell-agreements"]
    assert isinstance(worker, PeriodicWorker)
    worker.wake()

    async def is_told() -> bool:
        return bool(await identity.published(AgreementChanged))

    await eventually(is_told)
    (told,) = await identity.published(AgreementChanged)
    assert (told.agreement_id, told.version, told.purposes, told.valid_until) == ("old", 7, ["ads"], None)
