"""The single customer view."""

from fake_services import customer
from gateway_harness import Gateway
from gateway_queries import VIEW


async def test_the_view_answers_everything_about_a_customer(gateway: Gateway) -> None:
    answer = await gateway.ask(VIEW, {"id": customer(1)})
    assert answer.status == 200
    assert "errors" not in answer.body
    seen = answer.data["customer"]
    assert seen["id"] == customer(1)
    assert [row["namespace"] for row in seen["identifiers"]] == ["user_id", "email", "phone"]
    assert seen["traits"][2] == {
        "name": "address",
        "value": {"city": "東京"},
        "source": "crm",
        "observedAt": "2026-11-20T03:00:00+00:00",
    }
    assert seen["rfm"] == {"recencyDays": 12, "frequency": 7, "monetary": "184.20", "currency": "USD"}
    assert seen["rank"]["name"] == "Gold"
    assert [row["key"] for row in seen["segments"]] == ["dormant", "loyal"]
    assert seen["timeline"]["totalCount"] == 50
    assert seen["timeline"]["pageInfo"] == {"hasNextPage": True, "endCursor": "20"}
    assert seen["timeline"]["edges"][3]["node"]["properties"]["order_id"] == "3"
    assert len(seen["messages"]) == 5
    assert seen["responses"][0]["answers"] == [
        {"questionKey": "score", "value": 9},
        {"questionKey": "why", "value": "the staff"},
    ]
    assert seen["commitments"][0]["dueOn"] == "2026-12-01"
    assert seen["journeys"][0]["step"] == "wait"
