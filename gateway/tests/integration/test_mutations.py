"""Changes go to the service that owns the thing, in its own form; its refusals come back with the field's name."""

import pytest
from fake_services import answering, customer, problem
from gateway_harness import Gateway

PUBLISH_SEGMENT = """mutation($input: PublishSegmentInput!) { publishSegment(input: $input) {
  segment { key name status version condition } } }"""
PUBLISH_JOURNEY = """mutation($input: PublishJourneyInput!) { publishJourney(input: $input) {
  journey { key name status campaignKey } } }"""
WITHDRAW = """mutation($input: WithdrawPermissionInput!) { withdrawPermission(input: $input) {
  customer { id permissions { topic status } } } }"""
CONDITION = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 2, "window": {"days": 90}}


async def test_a_segment_is_defined_published_and_read_back(gateway: Gateway) -> None:
    variables = {"input": {"key": "loyal", "name": "Loyal", "condition": CONDITION, "expectedVersion": 3}}
    answer = await gateway.ask(PUBLISH_SEGMENT, variables)
    segment = {"key": "loyal", "name": "Loyal", "status": "published", "version": 1, "condition": CONDITION}
    assert answer.body == {"data": {"publishSegment": {"segment": segment}}}
    put, publish = gateway.fake.calls
    assert (put.method, put.path, put.body) == ("PUT", "/v1/segments/loyal", {"name": "Loyal", "condition": CONDITION})
    assert put.headers["if-match"] == '"3"'
    assert (publish.method, publish.path) == ("POST", "/v1/segments/loyal:publish")


async def test_a_wrong_condition_names_its_field(gateway: Gateway) -> None:
    answer = await gateway.ask(PUBLISH_SEGMENT, {"input": {"key": "x", "name": "X", "condition": {"kind": "nonsense"}}})
    assert answer.data == {"publishSegment": None}
    (error,) = answer.body["errors"]
    assert error["path"] == ["publishSegment"]
    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert error["extensions"]["field"] == "condition.kind"
    assert error["extensions"]["errors"] == [{"field": "condition.kind", "detail": "unknown kind"}]


async def test_a_journey_is_defined_and_published(gateway: Gateway) -> None:
    trigger = {"kind": "segment_entered", "segment_key": "dormant"}
    steps = [{"key": "end", "kind": "end"}]
    variables = {
        "input": {"key": "back", "name": "Back", "campaignKey": "win-back", "trigger": trigger, "steps": steps}
    }
    answer = await gateway.ask(PUBLISH_JOURNEY, variables)
    assert answer.data["publishJourney"]["journey"] == {
        "key": "back",
        "name": "Back",
        "status": "published",
        "campaignKey": "win-back",
    }
    assert gateway.fake.calls[0].body == {
        "name": "Back",
        "campaign_key": "win-back",
        "trigger": trigger,
        "steps": steps,
    }


async def test_a_permission_is_withdrawn_and_seen_so(gateway: Gateway) -> None:
    variables = {"input": {"customerId": customer(1), "channel": "email", "topic": "marketing"}}
    answer = await gateway.ask(WITHDRAW, variables)
    assert answer.data["withdrawPermission"]["customer"] == {
        "id": customer(1),
        "permissions": [{"topic": "marketing", "status": "withdrawn"}],
    }
    withdraw = next(call for call in gateway.fake.calls if call.path == "/v1/permissions:withdraw")
    assert withdraw.body == {
        "customer_id": customer(1),
        "channel": "email",
        "topic": "marketing",
        "basis": "customer_service",
    }


@pytest.mark.parametrize(
    ("status", "code"),
    [(403, "FORBIDDEN"), (412, "CONFLICT"), (409, "CONFLICT"), (503, "UNAVAILABLE"), (404, "NOT_FOUND")],
)
async def test_refusals_keep_their_meaning(gateway: Gateway, status: int, code: str) -> None:
    gateway.fake.failures["delivery"] = answering(status)
    answer = await gateway.ask(
        WITHDRAW, {"input": {"customerId": customer(1), "channel": "email", "topic": "marketing"}}
    )
    assert answer.errors == {"withdrawPermission": code}


async def test_keys_cannot_leave_their_place(gateway: Gateway) -> None:
    await gateway.ask(PUBLISH_SEGMENT, {"input": {"key": "../sources/x?y#z", "name": "X", "condition": CONDITION}})
    assert gateway.fake.calls[0].path == "/v1/segments/../sources/x?y#z"  # one segment, escaped on the wire
    answer = await gateway.ask(PUBLISH_SEGMENT, {"input": {"key": "", "name": "X", "condition": CONDITION}})
    assert answer.body["errors"][0]["extensions"]["field"] == "key"


async def test_a_bad_customer_id_is_named(gateway: Gateway) -> None:
    answer = await gateway.ask(WITHDRAW, {"input": {"customerId": "x", "channel": "email", "topic": "marketing"}})
    assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "customerId"}
    assert gateway.fake.calls == []


async def test_fields_of_the_services_are_spelled_as_in_the_graph(gateway: Gateway) -> None:
    async def refuse():
        return problem(422, "wrong", errors=[{"field": "steps.2.due_on", "detail": "no date"}])

    gateway.fake.failures["campaign"] = refuse
    variables = {"input": {"key": "back", "name": "Back", "campaignKey": "w", "trigger": {}, "steps": []}}
    answer = await gateway.ask(PUBLISH_JOURNEY, variables)
    assert answer.body["errors"][0]["extensions"]["field"] == "steps.2.dueOn"
