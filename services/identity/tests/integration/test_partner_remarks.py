"""Remarks of blogs and social networks, signed: events of whoever has the handle."""

import json
from typing import Any

import pytest
from services.identity.tests.integration.conftest import NOW
from services.identity.tests.integration.test_partners import Partner, make_partner
from standardwebhooks import Webhook

from contracts.identity import ResolvedEvent
from servicekit.testing import RunningService

HANA: dict[str, Any] = {
    "author": {"namespace": "x_handle", "value": "@Hana_K"},
    "text": "キズナウォッシュを買った",
    "url": "https://x.example/hana/1",
    "language": "ja",
    "occurred_at": "2026-11-19T09:00:00+09:00",
}


@pytest.fixture
async def partner(identity: RunningService) -> Partner:
    """A partner that watches blogs and X."""
    partner = await make_partner(identity)
    rules = {"priority": 20, "normaliser": "handle", "outside": True}
    assert (await identity.client.put("/v1/namespaces/x_handle", json=rules, headers=identity.headers())).is_success
    return partner


async def post(partner: Partner, *remarks: Any, webhook_id: str = "msg_1", secret: str | None = None) -> Any:
    text = json.dumps({"remarks": remarks})
    signed = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(NOW.timestamp())),
        "webhook-signature": Webhook(secret or partner.secret).sign(webhook_id, NOW, text),
    }
    return await partner.service.client.post("/v1/partners/dmp/remarks", content=text.encode(), headers=signed)


async def test_a_remark_is_an_event_of_whoever_has_the_handle(identity: RunningService, partner: Partner) -> None:
    linked = {"identifiers": [{"namespace": "x_handle", "value": "hana_k"}, {"namespace": "dmp.id", "value": "d-1"}]}
    assert (await partner.post({"links": [linked]}, webhook_id="msg_0")).json()["accepted"] == 1
    await identity.drain()
    [link] = await identity.published(ResolvedEvent)
    answer = await post(partner, {**HANA, "remark_id": "p1"}, {**HANA, "author": {**HANA["author"], "value": "other"}})
    assert answer.json() == {"accepted": 2, "rejected": []}
    await post(partner, {**HANA, "remark_id": "p1"}, webhook_id="msg_2")  # the partner tells it again
    await identity.drain()
    first, second = [fact for fact in await identity.published(ResolvedEvent) if fact.name == "Remark Made"]
    assert first.customer_id == link.customer_id != second.customer_id
    assert (first.kind, first.source_id, first.occurred_at.isoformat()) == ("track", "dmp", "2026-11-19T00:00:00+00:00")
    assert first.properties == {name: HANA[name] for name in ("text", "url", "language")} | {"site": "x_handle"}


async def test_bad_remarks_are_named_and_the_others_taken(identity: RunningService, partner: Partner) -> None:
    bad: list[tuple[Any, str]] = [
        ({**HANA, "author": {"namespace": "nowhere", "value": "x"}}, "author.namespace"),
        ({**HANA, "author": {"namespace": "x_handle", "value": " "}}, "author.value"),
        ({**HANA, "text": " "}, "text"),
        ({**HANA, "text": "x\0"}, "text"),
        ({**HANA, "url": "https://" + "u" * 2001}, "url"),
        ({**HANA, "url": "javascript:alert(1)"}, "url"),
        ({**HANA, "language": "j"}, "language"),
        ({**HANA, "occurred_at": "yesterday"}, "occurred_at"),
        ({**HANA, "mood": "good"}, ""),
        ({"text": "x"}, ""),
        (5, ""),
    ]
    answer = await post(partner, *(body for body, _ in bad), HANA)
    assert answer.status_code == 200
    assert answer.json()["accepted"] == 1
    assert [(each["index"], each["field"]) for each in answer.json()["rejected"]] == [
        (index, field) for index, (_, field) in enumerate(bad)
    ]
    assert "キズナ" not in answer.text


async def test_who_does_not_sign_is_refused(identity: RunningService, partner: Partner) -> None:
    assert (await post(partner, HANA, secret="whsec_" + "A" * 32)).status_code == 401
    assert (await post(partner)).status_code == 422
    assert (await identity.client.post("/v1/partners/dmp/remarks", content=b"{}")).status_code == 401
