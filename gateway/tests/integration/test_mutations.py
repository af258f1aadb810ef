"""Changes go to the service that owns the thing, in its own form; its refusals come back with the field's name."""

from pathlib import Path
from typing import Any

import pytest
from fake_services import answering, customer, problem
from gateway_harness import Gateway
from graphql import GraphQLInputObjectType, GraphQLList, GraphQLNonNull, build_schema, get_nullable_type

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


JOURNEY = {"key": "ours", "name": "Ours", "campaignKey": "win-back", "trigger": {}, "steps": []}
TWO_CALLS = {
    "publishSegment": (PUBLISH_SEGMENT, {"key": "ours", "name": "Ours", "condition": CONDITION}),
    "publishJourney": (PUBLISH_JOURNEY, JOURNEY),
}
"""What is a PUT and a POST -> its mutation and input."""


@pytest.mark.parametrize("field", TWO_CALLS)
async def test_the_revision_that_was_put_is_the_one_that_is_published(gateway: Gateway, field: str) -> None:
    mutation, given = TWO_CALLS[field]
    for revision in (1, 2):  # of the fake: each PUT is an edit
        gateway.fake.calls.clear()
        assert (await gateway.ask(mutation, {"input": given})).errors == {}
        put, publish = gateway.fake.calls
        assert (put.method, publish.method, publish.path) == ("PUT", "POST", f"{put.path}:publish")
        assert ("if-match" in put.headers, publish.headers["if-match"]) == (False, f'"{revision}"')


@pytest.mark.parametrize("field", TWO_CALLS)
async def test_a_repeated_change_repeats_both_calls_under_their_keys(gateway: Gateway, field: str) -> None:
    mutation, given = TWO_CALLS[field]
    seen = []
    for key in ("mine", "mine", "m" * 255, None, None):
        gateway.fake.calls.clear()
        assert (await gateway.ask(mutation, {"input": given | {"idempotencyKey": key}})).errors == {}
        seen.append([call.headers["idempotency-key"] for call in gateway.fake.calls])
    first, again, long, fresh, fresher = seen
    assert first == again
    assert (first[0], long[0]) == ("mine", "m" * 255)
    every = {*first, *long, *fresh, *fresher}
    assert (len(every), max(len(key) for key in every)) == (8, 255)
    assert "idempotencyKey" not in str([call.body for call in gateway.fake.calls])
    gateway.fake.calls.clear()
    answer = await gateway.ask(mutation, {"input": given | {"idempotencyKey": "not a header"}})
    assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "idempotencyKey"}
    assert gateway.fake.calls == []


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


SCHEMA = build_schema((Path(__file__).parents[2] / "schema.graphql").read_text())
assert SCHEMA.mutation_type is not None
MUTATIONS = SCHEMA.mutation_type.fields
WITHOUT_A_KEY = {
    "publishRules", "updateLinkingSettings", "putAgreement", "endAgreement", "eraseCustomer", "discloseCustomer",
    "putRelation", "withdrawRelation", "cancelAnonymisedExport", "withdrawPermission",
}  # fmt: skip
"""Changes that take no idempotencyKey: identity's by version, and what comes to the same however often it is asked."""


def given_to(field: str) -> tuple[dict[str, str], dict[str, Any]]:
    """The types of a mutation's arguments, and good values of them: a key and a version wherever they are taken."""
    arguments = MUTATIONS[field].args
    types = {name: str(argument.type) for name, argument in arguments.items()}
    return types, {name: good_value(name, argument.type) for name, argument in arguments.items()}


def good_value(name: str, kind: Any) -> Any:
    kind = get_nullable_type(kind)
    if isinstance(kind, GraphQLInputObjectType):
        return {
            each: good_value(each, field.type)
            for each, field in kind.fields.items()
            if isinstance(field.type, GraphQLNonNull) or each in {"expectedVersion", "idempotencyKey"}
        }
    if isinstance(kind, GraphQLList):
        return []
    values = {
        "Int": 7,
        "ID": customer(1),
        "JSON": {},
        "DateTime": "2027-01-01T00:00:00Z",
        "Boolean": True,
        "Float": 0.5,
    }
    return values.get(kind.name, "mine")


@pytest.mark.parametrize("field", sorted(set(MUTATIONS) - {"endAgreement"}))  # that one reads the agreement first
async def test_a_change_goes_under_the_key_and_of_the_version_it_is_given(gateway: Gateway, field: str) -> None:
    types, values = given_to(field)
    written = str(values)
    assert ("idempotencyKey" in written) == (field not in WITHOUT_A_KEY)
    declared = ", ".join(f"${name}: {kind}" for name, kind in types.items())
    passed = ", ".join(f"{name}: ${name}" for name in types)
    await gateway.ask(f"mutation({declared}) {{ {field}({passed}) {{ __typename }} }}", values)
    changing = [call for call in gateway.fake.calls if call.method != "GET" and not call.path.endswith(":batchGet")]
    assert changing, "it reached a service"
    if "idempotencyKey" in written:
        assert changing[0].headers["idempotency-key"] == "mine"
    if "expectedVersion" in written:
        assert changing[0].headers["if-match"] == '"7"'
