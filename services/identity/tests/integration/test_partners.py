"""Id syncs of partners, signed as the official library signs."""

import json
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

import asyncpg
import pytest
from services.identity.tests.integration.conftest import NOW
from standardwebhooks import Webhook

from identity_service.rules.partners import MAX_LINKS
from servicekit.clock import FrozenClock
from servicekit.testing import RunningService

DMP: dict[str, Any] = {
    "name": "DMP", "department": "ads", "brand": "kizuna", "legal_entity": "DMP K.K.", "purposes": ["ads", "analysis"],
}  # fmt: skip
LINK: dict[str, Any] = {
    "identifiers": [{"namespace": "dmp.id", "value": "d-1"}, {"namespace": "anonymous_id", "value": "cookie-1"}]
}


class Partner:
    """A DMP that signs what it sends."""

    def __init__(self, service: RunningService, secret: str) -> None:
        self.service = service
        self.secret = secret

    async def post(
        self,
        body: Any,
        *,
        webhook_id: str = "msg_1",
        at: datetime = NOW,
        secret: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> Any:
        text = body if isinstance(body, str) else json.dumps(body)
        signed = {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret or self.secret).sign(webhook_id, at, text),
        }
        return await self.service.client.post(
            "/v1/partners/dmp/id-syncs", content=text.encode(), headers=signed | (headers or {})
        )


async def make_partner(service: RunningService) -> Partner:
    client, headers = service.client, service.headers()
    assert (await client.put("/v1/sources/dmp", json=DMP, headers=headers)).status_code == 201
    for name in ("dmp.id", "retail.member"):
        await client.put(f"/v1/namespaces/{name}", json={"priority": 10, "outside": True}, headers=headers)
    answer = await client.post("/v1/sources/dmp:rotateSigningSecret", headers=headers)
    assert answer.status_code == 200, answer.text
    return Partner(service, answer.json()["signing_secret"])


@pytest.fixture
async def partner(identity: RunningService) -> Partner:
    """The DMP, resolved as it sends."""
    return await make_partner(identity)


@pytest.fixture
async def waiting_partner(front_door: RunningService) -> Partner:
    """The DMP, with nobody resolving."""
    return await make_partner(front_door)


async def _rows(service: RunningService, statement: str) -> list[asyncpg.Record]:
    connection: asyncpg.Connection = await service.database.connect()
    try:
        rows: list[asyncpg.Record] = await connection.fetch(statement)
        return rows
    finally:
        await connection.close()


async def _customers_of(service: RunningService, *names: tuple[str, str]) -> list[str | None]:
    question = {"identifiers": [{"namespace": namespace, "value": value} for namespace, value in names]}
    answer = await service.client.post("/v1/identifiers:batchLookup", json=question, headers=service.headers())
    return [one["customer_id"] for one in answer.json()["identifiers"]]


async def test_a_signed_id_sync_links_an_outside_id_to_a_customer(identity: RunningService, partner: Partner) -> None:
    answer = await partner.post({"links": [LINK]})
    assert (answer.status_code, answer.json()) == (200, {"accepted": 1, "rejected": []})
    await identity.drain()
    outside, cookie = await _customers_of(identity, ("dmp.id", "d-1"), ("anonymous_id", "cookie-1"))
    assert outside is not None
    assert outside == cookie


async def test_the_link_says_who_made_it_and_for_what(identity: RunningService, partner: Partner) -> None:
    other = {"identifiers": [{"namespace": "dmp.id", "value": "d-2"}, {"namespace": "anonymous_id", "value": "c-2"}]}
    await partner.post({"links": [{**LINK, "purposes": ["ads"]}, other]})
    await identity.drain()
    rows = await _rows(
        identity,
        "SELECT value, links.rule, links.legal_entity, links.purposes FROM links JOIN identifiers USING (anchor_id) "
        "UNION SELECT value, links.rule, links.legal_entity, links.purposes FROM links "
        "JOIN identifiers ON identifiers.anchor_id = other_anchor_id",
    )
    said = {row["value"]: (row["rule"], row["legal_entity"], sorted(row["purposes"])) for row in rows}
    assert said["d-1"] == ("id_sync", "DMP K.K.", ["ads"])
    assert said["d-2"] == ("id_sync", "DMP K.K.", ["ads", "analysis"])


async def test_a_hashed_address_is_the_plain_one_that_is_known(
    identity: RunningService, partner: Partner, shop: Any
) -> None:
    await shop.resolve({"type": "identify", "userId": "1", "traits": {"email": "Hanako@Example.jp"}})
    digest = sha256(b"hanako@example.jp").hexdigest()
    link = {"identifiers": [{"namespace": "email", "sha256": digest}, {"namespace": "retail.member", "value": "77"}]}
    assert (await partner.post({"links": [link]})).json()["accepted"] == 1
    await identity.drain()
    member, user = await _customers_of(identity, ("retail.member", "77"), ("user_id", "1"))
    assert member is not None
    assert member == user


async def test_the_same_webhook_again_changes_nothing(identity: RunningService, partner: Partner) -> None:
    await partner.post({"links": [LINK]})
    await identity.drain()
    again = await partner.post({"links": [LINK]}, at=NOW + timedelta(seconds=60))
    assert again.json()["accepted"] == 1
    await identity.drain()
    coverage = (await identity.client.get("/v1/coverage", headers=identity.headers())).json()
    assert (coverage["accepted_events"], coverage["duplicate_events"]) == (1, 1)


async def test_bad_links_are_named_and_the_others_taken(identity: RunningService, partner: Partner) -> None:
    plain = LINK["identifiers"][1]
    bad: list[tuple[dict[str, Any], str]] = [
        ({"identifiers": [plain]}, "identifiers"),
        ({"identifiers": [plain, {"namespace": "unheard", "value": "1"}]}, "identifiers.1.namespace"),
        ({"identifiers": [plain, {"namespace": "email", "value": "nonsense"}]}, "identifiers.1.value"),
        ({"identifiers": [plain, {"namespace": "email"}]}, "identifiers.1.value"),
        ({"identifiers": [plain, {"namespace": "email", "sha256": "12"}]}, "identifiers.1.sha256"),
        ({"identifiers": [plain, {"namespace": "dmp.id", "sha256": "00" * 32}]}, "identifiers.1.namespace"),
        ({"identifiers": [plain, {"namespace": "dmp.id", "value": "a\0b"}]}, "identifiers.1.value"),
        ({**LINK, "purposes": ["crm"]}, "purposes"),
        ({**LINK, "occurred_at": "yesterday"}, "occurred_at"),
        ({**LINK, "occured_at": NOW.isoformat()}, ""),
        ({}, ""),
    ]
    answer = await partner.post({"links": [*(one for one, _ in bad), LINK]})
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    assert [(one["index"], one["field"]) for one in answer.json()["rejected"]] == [
        (index, field) for index, (_, field) in enumerate(bad)
    ]
    await identity.drain()
    coverage = (await identity.client.get("/v1/coverage", headers=identity.headers())).json()
    assert (coverage["customers"], coverage["accepted_events"]) == (1, 1)


async def test_what_is_not_signed_just_now_by_the_source_is_refused(
    front_door: RunningService, waiting_partner: Partner, clock: FrozenClock
) -> None:
    partner, body = waiting_partner, {"links": [LINK]}
    foreign = "whsec_" + "A" * 43 + "="
    assert (await partner.post(body)).status_code == 200
    assert (await partner.post(body, secret=foreign)).status_code == 401
    assert (await partner.post(body, at=NOW - timedelta(minutes=6))).status_code == 401
    assert (await partner.post(body, at=NOW + timedelta(minutes=6))).status_code == 401
    assert (await partner.post(body, webhook_id="")).status_code == 401
    signature = {"webhook-signature": Webhook(partner.secret).sign("msg_1", NOW, "something else")}
    assert (await partner.post(body, headers=signature)).status_code == 401
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        for value in ("", "nonsense", "v1,nonsense", "9" * 30, "1e3", "v1,"):
            assert (await partner.post(body, headers={name: value})).status_code == 401, (name, value)
    # changed without a gap: both secrets sign for a while
    former = Webhook(partner.secret).sign("msg_1", NOW, json.dumps(body))
    rotated = await front_door.client.post("/v1/sources/dmp:rotateSigningSecret", headers=front_door.headers())
    assert (await partner.post(body)).status_code == 401
    secret = rotated.json()["signing_secret"]
    both = f"{former} {Webhook(secret).sign('msg_1', NOW, json.dumps(body))}"
    assert (await partner.post(body, headers={"webhook-signature": both})).status_code == 200
    unknown = await front_door.client.post("/v1/partners/nobody/id-syncs", json=body)
    unsigned = await front_door.client.post("/v1/partners/dmp/id-syncs", json=body)
    assert (unknown.status_code, unsigned.status_code) == (401, 401)


async def test_the_secret_lies_sealed(front_door: RunningService, waiting_partner: Partner) -> None:
    [row] = await _rows(front_door, "SELECT signing_secret FROM sources WHERE source_id = 'dmp'")
    key = Webhook(waiting_partner.secret)._whsecret
    assert len(key) == 32
    assert key not in row["signing_secret"]
    # copied to another source's row it verifies nothing
    client, headers = front_door.client, front_door.headers()
    await client.put("/v1/sources/retail", json=DMP, headers=headers)
    connection = await front_door.database.connect()
    await connection.execute("UPDATE sources SET signing_secret = $1 WHERE source_id = 'retail'", row["signing_secret"])
    await connection.close()
    body = json.dumps({"links": [LINK]})
    signature = Webhook(waiting_partner.secret).sign("msg_1", NOW, body)
    answer = await client.post(
        "/v1/partners/retail/id-syncs",
        content=body,
        headers={"webhook-id": "msg_1", "webhook-timestamp": str(int(NOW.timestamp())), "webhook-signature": signature},
    )
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "body", ["", "[]", "{", '{"links": 1}', '{"links": []}', '{"links": [{}], "more": 1}', "\udcff"]
)
async def test_a_body_that_is_no_list_of_links_is_refused(waiting_partner: Partner, body: str) -> None:
    answer = await waiting_partner.post(body.encode("utf-8", "surrogateescape").decode("latin-1"))
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"


async def test_too_many_links_and_too_large_a_body_are_refused(waiting_partner: Partner) -> None:
    assert (await waiting_partner.post({"links": [LINK] * MAX_LINKS})).json()["accepted"] == MAX_LINKS
    assert (await waiting_partner.post({"links": [LINK] * (MAX_LINKS + 1)})).status_code == 422
    assert (await waiting_partner.post('{"links": []' + " " * 600_000 + "}")).status_code == 413


async def test_a_source_that_does_not_exist_gets_no_secret(front_door: RunningService) -> None:
    answer = await front_door.client.post("/v1/sources/none:rotateSigningSecret", headers=front_door.headers())
    assert answer.status_code == 404
