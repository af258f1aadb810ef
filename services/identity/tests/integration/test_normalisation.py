"""Values in any writing find one customer, by the normaliser of their namespace."""

from typing import Any

from servicekit.testing import RunningService


async def look_up(service: RunningService, *names: tuple[str, str]) -> list[str | None]:
    body = {"identifiers": [{"namespace": namespace, "value": value} for namespace, value in names]}
    answer = await service.client.post(
        "/v1/identifiers:batchLookup", json=body, headers=service.headers("identity:read")
    )
    return [one["customer_id"] for one in answer.json()["identifiers"]]


def identify(message_id: str, **traits: Any) -> dict[str, Any]:
    return {"type": "identify", "messageId": message_id, "anonymousId": message_id, "traits": traits}


async def test_a_phone_is_one_in_every_writing(identity: RunningService, shop: Any) -> None:
    writings = ["090-1234-5678", "０９０１２３４５６７８", "+81 (0)90 1234 5678", "0081-90-1234-5678"]
    await shop.resolve(*(identify(f"m{number}", phone=phone) for number, phone in enumerate(writings)))
    found = await look_up(identity, *(("phone", phone) for phone in writings), ("anonymous_id", "m0"))
    assert len(set(found)) == 1 and found[0] is not None


async def test_what_is_no_phone_identifies_nobody(identity: RunningService, shop: Any) -> None:
    await shop.resolve(identify("m0", phone="なし"), identify("m1", phone="000-0000-0000"))
    first, second, unknown = await look_up(identity, ("anonymous_id", "m0"), ("anonymous_id", "m1"), ("phone", "なし"))
    assert first is not None and second is not None and first != second and unknown is None


async def test_a_namespace_chooses_its_normaliser(identity: RunningService, shop: Any) -> None:
    rules = {"limit": 5, "priority": 4, "normaliser": "digits"}
    answer = await identity.client.put("/v1/namespaces/card", json=rules, headers=identity.headers())
    assert answer.status_code in {200, 201}, answer.text
    cards = ["1234-5678", "１２３４ ５６７８"]
    await shop.resolve(
        *(
            {**identify(f"m{number}"), "context": {"externalIds": [{"type": "card", "id": card}]}}
            for number, card in enumerate(cards)
        )
    )
    first, second, asked = await look_up(
        identity, ("anonymous_id", "m0"), ("anonymous_id", "m1"), ("card", "1234 5678")
    )
    assert first is not None and first == second == asked


async def test_an_unknown_normaliser_is_refused(identity: RunningService) -> None:
    rules = {"limit": 5, "priority": 4, "normaliser": "magic"}
    answer = await identity.client.put("/v1/namespaces/card", json=rules, headers=identity.headers())
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["normaliser"]
