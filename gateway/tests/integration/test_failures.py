"""A service that is down, slow, refusing or talking nonsense takes its own fields with it, nothing else."""

import pytest
from fake_services import answering, customer, hanging, saying
from gateway_harness import Gateway
from gateway_queries import VIEW

FIELDS = {
    "identity": {"identifiers"},
    "profile": {"traits", "rfm", "rank", "segments", "timeline"},
    "delivery": {"messages", "permissions"},
    "survey": {"responses", "commitments"},
    "campaign": {"journeys"},
}


@pytest.mark.parametrize("service", FIELDS)
@pytest.mark.parametrize(("status", "code"), [(503, "UNAVAILABLE"), (500, "UNAVAILABLE"), (403, "FORBIDDEN")])
async def test_the_rest_of_the_view_answers(gateway: Gateway, service: str, status: int, code: str) -> None:
    gateway.fake.failures[service] = answering(status)
    answer = await gateway.ask(VIEW, {"id": customer(1)})
    assert answer.status == 200
    seen = answer.data["customer"]
    assert seen["id"] == customer(1)
    missing = {name for name, value in seen.items() if value is None}
    assert missing == FIELDS[service]
    assert answer.errors == {f"customer.{name}": code for name in FIELDS[service]}
    assert {error["extensions"]["service"] for error in answer.body["errors"]} == {service}


@pytest.mark.parametrize("service", FIELDS)
@pytest.mark.parametrize("gateway", [{"deadline_seconds": 0.5}], indirect=True)
async def test_a_slow_service_times_out(gateway: Gateway, service: str) -> None:
    gateway.fake.failures[service] = hanging(3)
    answer = await gateway.ask(VIEW, {"id": customer(1)})
    assert answer.errors == {f"customer.{name}": "TIMEOUT" for name in FIELDS[service]}
    assert answer.data["customer"]["id"] == customer(1)


@pytest.mark.parametrize("content", [b"<html>", b'{"customers": [{}]}', b'{"customers": null}', b"", b"\xff\xfe"])
async def test_an_answer_nobody_understands_is_no_answer(gateway: Gateway, content: bytes) -> None:
    gateway.fake.failures["profile"] = saying(content)
    answer = await gateway.ask("query($id: ID!) { customer(id: $id) { id rank { name } } }", {"id": customer(1)})
    assert answer.errors == {"customer.rank": "UNAVAILABLE"}
    assert answer.data["customer"] == {"id": customer(1), "rank": None}


@pytest.mark.parametrize("gateway", [{"survey_url": "http://127.0.0.1:1"}], indirect=True)
async def test_a_service_that_is_not_there(gateway: Gateway) -> None:
    answer = await gateway.ask(VIEW, {"id": customer(1)})
    assert answer.errors == {"customer.responses": "UNAVAILABLE", "customer.commitments": "UNAVAILABLE"}


async def test_a_service_that_no_longer_accepts_the_token_says_so(gateway: Gateway) -> None:
    gateway.fake.failures["identity"] = answering(401)
    answer = await gateway.ask("query($id: ID!) { customer(id: $id) { id } }", {"id": customer(1)})
    assert answer.data == {"customer": None}
    assert answer.errors == {"customer": "UNAUTHENTICATED"}


async def test_a_listing_without_its_service_is_null(gateway: Gateway) -> None:
    gateway.fake.failures["identity"] = answering(503)
    answer = await gateway.ask("{ customers { totalCount } segments { key } }")
    assert answer.data == {"customers": None, "segments": [{"key": "dormant"}]}
    assert answer.errors == {"customers": "UNAVAILABLE"}
