"""Who is who: asked of identity in as few calls as the rest, changed once, disclosed by all services at once."""

import json
from typing import Any

import pytest
from fake_identity import CANDIDATES, JOB, PAIRS, PRECISE, candidate_id
from fake_services import answering, customer, hanging, problem
from gateway_harness import Gateway

ONE = customer(1)
GRAPHS = """query($first: Int!) { customers(first: $first) { edges { node {
  id formerIds groups { id }
  identityGraph { nodesTotal nodes { namespace } edges { rule } heldApart { reason } } } } } }"""
QUEUE = """query($first: Int!, $after: String) { reviewQueue(first: $first, after: $after) {
  edges { cursor node { id fields { field } customer { id identifiers { value } } otherCustomer { id } } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
MERGE = "mutation($input: MergeCustomersInput!) { mergeCustomers(input: $input) { decision { id customer { id } } } }"
DISCLOSE = """mutation($input: DiscloseCustomerInput!) { discloseCustomer(input: $input) {
  document missing { service code message } disclosure { services missing completedAt } } }"""

DECISIONS = """query($first: Int!, $after: String) { customers(first: $first) { edges { node { id
  decisions(first: 3, after: $after) { pageInfo { hasNextPage endCursor } edges { node { customerId why } } } } } } }"""


async def test_the_graphs_of_a_page_of_customers_are_one_call(gateway: Gateway) -> None:
    answer = await gateway.ask(GRAPHS, {"first": 20})
    assert len(answer.data["customers"]["edges"]) == 20
    assert gateway.fake.paths() == ["identity GET /v1/customers", "identity POST /v1/customers:batchGraph"]


async def test_a_view_with_the_graph_asks_for_everything_at_once(gateway: Gateway) -> None:
    gateway.fake.former = {customer(7): ONE}
    query = """query($id: ID!) { customer(id: $id) {
      formerIds identityGraph { formerIds } decisions(first: 2) { edges { node { why } } } } }"""
    answer = await gateway.ask(query, {"id": ONE})
    assert (
        answer.data["customer"]["formerIds"] == answer.data["customer"]["identityGraph"]["formerIds"] == [customer(7)]
    )
    assert len(answer.data["customer"]["decisions"]["edges"]) == 2
    assert sorted(gateway.fake.paths()) == [
        "identity POST /v1/customers:batchGet",
        "identity POST /v1/customers:batchGraph",
        "identity POST /v1/decisions:batchGet",
    ]


async def test_the_decisions_on_a_page_of_customers_are_one_call(gateway: Gateway) -> None:
    answer = await gateway.ask(DECISIONS, {"first": 20})
    edges = answer.data["customers"]["edges"]
    assert len(edges) == 20
    for edge in edges:
        page = edge["node"]["decisions"]
        assert [each["node"]["customerId"] for each in page["edges"]] == [edge["node"]["id"]] * 3
        assert page["pageInfo"]["hasNextPage"]
    assert gateway.fake.paths() == ["identity GET /v1/customers", "identity POST /v1/decisions:batchGet"]
    end = edges[0]["node"]["decisions"]["pageInfo"]["endCursor"]
    gateway.fake.calls.clear()
    answer = await gateway.ask(DECISIONS, {"first": 2, "after": end})
    assert [each["node"]["why"] for each in answer.data["customers"]["edges"][1]["node"]["decisions"]["edges"]] == [
        "reason 3",
        "reason 4",
        "reason 5",
    ]
    assert gateway.fake.paths() == ["identity GET /v1/customers", "identity POST /v1/decisions:batchGet"]


async def test_both_customers_of_a_page_of_candidates_are_one_call(gateway: Gateway) -> None:
    answer = await gateway.ask(QUEUE, {"first": 20})
    first = answer.data["reviewQueue"]["edges"][0]["node"]
    assert (first["customer"]["id"], first["otherCustomer"]["id"]) == (customer(0), customer(3))
    assert gateway.fake.paths() == ["identity GET /v1/linking/candidates", "identity POST /v1/customers:batchGet"]
    assert gateway.fake.calls[0].query["state"] == "review"
    assert sorted(gateway.fake.calls[1].body["customer_ids"]) == sorted(customer(number) for number in range(6))


async def test_every_edge_of_a_listing_is_a_place_to_go_on_from(gateway: Gateway) -> None:
    whole = (await gateway.ask(QUEUE, {"first": 100})).data["reviewQueue"]
    every = [candidate_id(number) for number in range(CANDIDATES)]
    assert [edge["node"]["id"] for edge in whole["edges"]] == every
    page = (await gateway.ask(QUEUE, {"first": 8})).data["reviewQueue"]
    assert page["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": page["edges"][0]["cursor"],
        "endCursor": page["edges"][-1]["cursor"],
    }
    for number in (0, 3, 7):
        after = page["edges"][number]["cursor"]
        rest = (await gateway.ask(QUEUE, {"first": 100, "after": after})).data["reviewQueue"]
        assert [edge["node"]["id"] for edge in rest["edges"]] == every[number + 1 :]
        assert (rest["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasPreviousPage"]) == (False, True)
    for after in ("x", "", "W10"):
        answer = await gateway.ask(QUEUE, {"first": 1, "after": after})
        assert answer.errors == {"reviewQueue": "BAD_USER_INPUT"}
        assert answer.body["errors"][0]["extensions"]["field"] == "after"


async def test_a_candidate_decided_long_ago_shows_who_it_is_now(gateway: Gateway) -> None:
    gateway.fake.former = {customer(0): ONE}
    answer = await gateway.ask(QUEUE, {"first": 1})
    assert answer.data["reviewQueue"]["edges"][0]["node"]["customer"]["id"] == ONE


async def test_figures_beyond_32_bits(gateway: Gateway) -> None:
    query = "query($yes: Boolean! = true) { linkingRuns { edges { node { pairsCompared @include(if: $yes) } } } }"
    for document in (query, "{ linkingRuns { edges { node { pairsCompared } } } }"):
        answer = await gateway.ask(document)
        assert answer.data["linkingRuns"]["edges"] == [{"node": {"pairsCompared": PAIRS}}]


async def test_identifiers_for_one_use_are_one_call_for_all(gateway: Gateway) -> None:
    query = """query($entity: String, $purpose: String) { customers(first: 5) { edges { node {
      all: identifiers { value } some: identifiers(legalEntity: $entity, purpose: $purpose) { value } } } } }"""
    answer = await gateway.ask(query, {"entity": "A", "purpose": "service"})
    assert "errors" not in answer.body
    asked = [call.body for call in gateway.fake.calls if call.path == "/v1/customers:batchGet"]
    assert len(asked) == 2
    assert [body for body in asked if "purpose" in body] == [
        {"customer_ids": asked[0]["customer_ids"], "legal_entity": "A", "purpose": "service"}
    ]
    assert len(asked[0]["customer_ids"]) == 5


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"customerIds": [ONE, "x"]}, "customerIds.1"),
        ({"customerIds": [ONE], "into": "x"}, "into"),
        ({"customerIds": [ONE], "idempotencyKey": "a\r\nauthorization: Bearer y"}, "idempotencyKey"),
        ({"customerIds": [ONE], "idempotencyKey": "x" * 256}, "idempotencyKey"),
        ({"customerIds": [ONE], "idempotencyKey": ""}, "idempotencyKey"),
    ],
)
async def test_what_cannot_be_meant_so_is_not_sent(gateway: Gateway, given: dict[str, Any], field: str) -> None:
    answer = await gateway.ask(MERGE, {"input": given | {"why": "x"}})
    assert answer.data == {"mergeCustomers": None}
    assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}
    assert gateway.fake.calls == []


async def test_a_change_goes_under_a_key_of_its_own_or_the_one_given(gateway: Gateway) -> None:
    given = {"customerIds": [ONE, customer(2)], "why": "x"}
    for _ in range(2):
        await gateway.ask(MERGE, {"input": given})
    await gateway.ask(MERGE, {"input": given | {"idempotencyKey": "mine"}})
    first, second, mine = [
        call.headers["idempotency-key"] for call in gateway.fake.calls if call.path.endswith(":merge")
    ]
    assert first != second
    assert mine == "mine"
    assert gateway.fake.calls[0].body == {"customer_ids": [ONE, customer(2)], "into": None, "why": "x"}


async def test_refusals_name_the_argument(gateway: Gateway) -> None:
    async def refuse() -> Any:
        return problem(409, "used", errors=[{"field": "Idempotency-Key", "detail": "used"}])

    gateway.fake.failures["identity"] = refuse
    answer = await gateway.ask(MERGE, {"input": {"customerIds": [ONE, customer(2)], "why": "x"}})
    assert answer.body["errors"][0]["extensions"] == {
        "code": "CONFLICT",
        "service": "identity",
        "field": "idempotencyKey",
        "errors": [{"field": "idempotencyKey", "detail": "used"}],
    }


@pytest.mark.parametrize("gateway", [{"deadline_seconds": 0.05, "change_deadline_seconds": 20.0}], indirect=True)
async def test_a_change_may_take_longer_than_a_question(gateway: Gateway) -> None:
    gateway.fake.failures["identity"] = hanging(0.5)
    answer = await gateway.ask(MERGE, {"input": {"customerIds": [ONE, customer(2)], "why": "x"}})
    assert answer.errors == {"mergeCustomers": "UNAVAILABLE"}  # what it says in the end
    answer = await gateway.ask("{ linkingSettings { upper } }")
    assert answer.errors == {"linkingSettings": "TIMEOUT"}


async def test_everything_on_a_customer_byte_by_byte(gateway: Gateway) -> None:
    gateway.fake.customers = 450
    answer = await gateway.session.post(
        f"{gateway.url}/graphql",
        json={"query": DISCLOSE, "variables": {"input": {"customerId": customer(0), "why": "Request 17."}}},
        headers={"Authorization": f"Bearer {gateway.token()}"},
    )
    content = await answer.read()
    payload = json.loads(content)["data"]["discloseCustomer"]
    services = {"identity", "profile", "campaign", "delivery", "survey"}
    assert payload["missing"] == []
    assert set(payload["disclosure"]["services"]) == set(payload["document"]["services"]) == services
    exports = [call for call in gateway.fake.calls if call.path.endswith("/export")]
    asked = [(call.service, [call.path.split("/")[3], *call.query.getlist("former_customer_ids")]) for call in exports]
    assert [ids for service, ids in asked if service == "identity"] == [[customer(0)]]
    for service in services - {"identity"}:
        pages = [ids for name, ids in asked if name == service]
        assert [len(ids) for ids in pages] == [200, 200, 50]
        assert [one for ids in pages for one in ids] == [customer(number) for number in range(450)]
    assert content.count(PRECISE) == 1 + 4 * 3
    assert gateway.fake.paths()[0] == "identity POST /v1/disclosures"
    assert gateway.fake.paths()[-1] == f"identity POST /v1/disclosures/{JOB}:complete"


@pytest.mark.parametrize("gateway", [{"disclosure_deadline_seconds": 0.5}], indirect=True)
async def test_a_service_that_does_not_give_is_said_to_be_missing(gateway: Gateway) -> None:
    gateway.fake.failures |= {"survey": answering(503), "delivery": hanging(5)}
    answer = await gateway.ask(DISCLOSE, {"input": {"customerId": ONE, "why": "Request 17."}})
    payload = answer.data["discloseCustomer"]
    assert {one["service"]: one["code"] for one in payload["missing"]} == {
        "survey": "UNAVAILABLE",
        "delivery": "TIMEOUT",
    }
    assert set(payload["document"]["services"]) == {"identity", "profile", "campaign"}
    assert payload["document"]["missing"] == payload["disclosure"]["missing"] == ["delivery", "survey"]


@pytest.mark.parametrize("gateway", [{"disclosure_max_bytes": 1024}], indirect=True)
async def test_a_service_that_holds_too_much_is_missing_and_it_is_said_what_to_do(gateway: Gateway) -> None:
    async def much() -> Any:
        from starlette.responses import Response

        return Response(b'{"service":"survey","customer_id":"x","tables":{"rows":["' + b"x" * 2000 + b'"]}}')

    gateway.fake.failures["survey"] = much
    payload = (await gateway.ask(DISCLOSE, {"input": {"customerId": ONE, "why": "x"}})).data["discloseCustomer"]
    (missing,) = payload["missing"]
    assert (missing["service"], missing["code"]) == ("survey", "TOO_LARGE")
    assert "more than 1024 bytes" in missing["message"]
    assert "/export" in missing["message"] and "GATEWAY_DISCLOSURE_MAX_BYTES" in missing["message"]
    assert payload["document"]["missing"] == ["survey"]


async def test_what_is_not_recorded_is_not_disclosed(gateway: Gateway) -> None:
    gateway.fake.failures["identity"] = answering(403)
    answer = await gateway.ask(DISCLOSE, {"input": {"customerId": ONE, "why": "x"}})
    assert answer.data == {"discloseCustomer": None}
    assert answer.errors == {"discloseCustomer": "FORBIDDEN"}
    assert gateway.fake.paths() == ["identity POST /v1/disclosures"]


async def test_too_much_of_it_at_once_is_refused(gateway: Gateway) -> None:
    def is_refused(answer: Any) -> bool:
        return [error["extensions"]["code"] for error in answer.body.get("errors", [])] == ["LIMIT_EXCEEDED"]

    assert not is_refused(await gateway.ask(GRAPHS, {"first": 50}))
    calls = len(gateway.fake.calls)
    assert is_refused(await gateway.ask(GRAPHS, {"first": 100}))
    five = " ".join(
        f'a{number}: discloseCustomer(input: {{customerId: "{ONE}", why: "x"}}) {{ document }}' for number in range(5)
    )
    assert is_refused(await gateway.ask(f"mutation {{ {five} }}"))
    sides = "customer { identityGraph { nodes { value } } } otherCustomer { identityGraph { nodes { value } } }"
    assert is_refused(await gateway.ask(f"{{ reviewQueue(first: 100) {{ edges {{ node {{ {sides} }} }} }} }}"))
    assert len(gateway.fake.calls) == calls
    assert not is_refused(await gateway.ask(f"{{ reviewQueue(first: 20) {{ edges {{ node {{ {sides} }} }} }} }}"))
    answer = await gateway.ask("{ decisions(first: 101) { edges { node { id } } } }")
    assert answer.errors == {"decisions": "BAD_USER_INPUT"}
