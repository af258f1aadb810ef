"""How often the services are asked, by whom, and about whom."""

import asyncio
from collections import Counter

import pytest
from fake_services import MOMENT, customer, hanging
from gateway_harness import Gateway
from gateway_queries import VIEW
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from gateway import clients

ONE_CALL_EACH = {
    "identity POST /v1/customers:batchGet": 1,
    "profile POST /v1/customers:batchGet": 1,
    "profile POST /v1/timelines:batchGet": 1,
    "delivery POST /v1/messages:batchGet": 1,
    "delivery POST /v1/permissions:batchGet": 1,
    "survey POST /v1/responses:batchGet": 1,
    "survey POST /v1/commitments:batchGet": 1,
    "campaign POST /v1/journeys:batchGet": 1,
}
MANY = """
query Many($first: Int) {
  customers(first: $first) {
    totalCount
    edges {
      node {
        id
        identifiers { value } traits { name } rfm { frequency } rank { name } segments { key }
        timeline(first: 3) { edges { node { name } } }
        messages { state } permissions { status } responses { npsScore } commitments { kind } journeys { step }
      }
    }
  }
}
"""


async def test_one_customer_costs_one_call_per_noun(gateway: Gateway) -> None:
    await gateway.ask(VIEW, {"id": customer(1)})
    assert Counter(gateway.fake.paths()) == ONE_CALL_EACH


async def test_many_customers_cost_as_many_calls_as_one(gateway: Gateway) -> None:
    answer = await gateway.ask(MANY, {"first": 25})
    assert "errors" not in answer.body
    assert answer.data["customers"]["totalCount"] == 30
    assert len(answer.data["customers"]["edges"]) == 25
    assert Counter(gateway.fake.paths()) == ONE_CALL_EACH | {"identity GET /v1/customers": 1}
    asked = [call.body["customer_ids"] for call in gateway.fake.calls if call.path.endswith("batchGet")]
    assert all(ids == [customer(number) for number in range(25)] for ids in asked)


async def test_several_customers_of_one_operation_share_calls(gateway: Gateway) -> None:
    selection = "{ id rank { name } timeline(first: 2) { totalCount } }"
    query = "{" + " ".join(f'c{number}: customer(id: "{customer(number)}") {selection}' for number in range(5)) + "}"
    answer = await gateway.ask(query)
    assert [answer.data[f"c{number}"]["id"] for number in range(5)] == [customer(number) for number in range(5)]
    assert Counter(gateway.fake.paths()) == {
        "identity POST /v1/customers:batchGet": 1,
        "profile POST /v1/customers:batchGet": 1,
        "profile POST /v1/timelines:batchGet": 1,
    }


async def test_pages_of_different_size_are_different_calls_that_fail_alone(gateway: Gateway) -> None:
    query = """query($id: ID!) { customer(id: $id) {
      two: timeline(first: 2) { edges { cursor } }
      three: timeline(first: 3, after: "2") { edges { cursor } }
    } }"""
    answer = await gateway.ask(query, {"id": customer(1)})
    assert answer.data["customer"] == {
        "two": {"edges": [{"cursor": "1"}, {"cursor": "2"}]},
        "three": {"edges": [{"cursor": "3"}, {"cursor": "4"}, {"cursor": "5"}]},
    }


async def test_a_former_id_leads_to_the_present_customer(gateway: Gateway) -> None:
    former = "11111111-1111-4111-8111-111111111111"
    gateway.fake.former[former] = customer(3)
    answer = await gateway.ask(VIEW, {"id": former.upper()})
    assert "errors" not in answer.body
    assert answer.data["customer"]["id"] == customer(3)
    assert answer.data["customer"]["rank"]["name"] == "Gold"
    assert len(answer.data["customer"]["identifiers"]) == 3


async def test_nobody_is_null_without_an_error(gateway: Gateway) -> None:
    answer = await gateway.ask(VIEW, {"id": "22222222-2222-4222-8222-222222222222"})
    assert answer.body == {"data": {"customer": None}}


async def test_an_identifier_leads_to_its_customer(gateway: Gateway) -> None:
    query = 'query($v: String!) { customerByIdentifier(namespace: "user_id", value: $v) { id rank { key } } }'
    answer = await gateway.ask(query, {"v": "7"})
    assert answer.data == {"customerByIdentifier": {"id": customer(7), "rank": {"key": "gold"}}}
    assert (await gateway.ask(query, {"v": "nobody"})).body == {"data": {"customerByIdentifier": None}}


async def test_paging_through_all_customers_visits_everybody_once(gateway: Gateway) -> None:
    query = """query($after: String) { customers(first: 7, after: $after) {
      edges { cursor node { id } } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
    seen: list[str] = []
    after = None
    for _ in range(10):
        page = (await gateway.ask(query, {"after": after})).data["customers"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == [customer(number) for number in range(30)]


async def test_a_page_may_start_after_any_edge(gateway: Gateway) -> None:
    query = """query($first: Int!, $after: String) {
      customers(first: $first, after: $after) { edges { cursor node { id } } } }"""
    edges = (await gateway.ask(query, {"first": 10})).data["customers"]["edges"]
    after_fourth = (await gateway.ask(query, {"first": 3, "after": edges[3]["cursor"]})).data["customers"]["edges"]
    assert [edge["node"]["id"] for edge in after_fourth] == [customer(4), customer(5), customer(6)]
    again = (await gateway.ask(query, {"first": 2, "after": after_fourth[0]["cursor"]})).data["customers"]["edges"]
    assert [edge["node"]["id"] for edge in again] == [customer(5), customer(6)]


async def test_members_of_a_segment(gateway: Gateway) -> None:
    answer = await gateway.ask(
        '{ customers(segment: "dormant") { totalCount edges { since node { rank { name } } } } }'
    )
    assert answer.data["customers"]["totalCount"] == 3
    assert [edge["since"] for edge in answer.data["customers"]["edges"]] == [MOMENT] * 3
    everybody = await gateway.ask("{ customers(first: 2) { edges { since } } }")
    assert everybody.data["customers"]["edges"] == [{"since": None}] * 2
    assert gateway.fake.paths()[0] == "profile GET /v1/customers"


async def test_two_callers_at_the_same_time_see_what_each_may(gateway: Gateway) -> None:
    """The same customers, asked for in the same instant with two tokens: no answer crosses over."""
    first, second = gateway.token(subject="first"), gateway.token(subject="second")
    gateway.fake.visible = {first: {customer(number) for number in range(0, 30, 2)}, second: set()}
    query = "query($first: Int) { customers(first: $first) { edges { node { id rank { name } messages { id } } } } }"

    async def seen_by(token: str) -> list[bool]:
        edges = (await gateway.ask(query, {"first": 30}, token=token)).data["customers"]["edges"]
        return [edge["node"]["rank"] is not None and len(edge["node"]["messages"]) > 0 for edge in edges]

    answers = await asyncio.gather(*(seen_by(token) for token in (first, second) * 10))
    assert answers == [[number % 2 == 0 for number in range(30)], [False] * 30] * 10
    for call in gateway.fake.calls:
        assert call.headers["authorization"] in {f"Bearer {first}", f"Bearer {second}"}
    by_token = Counter(call.headers["authorization"] for call in gateway.fake.calls)
    assert len(set(by_token.values())) == 1


async def test_the_stated_purpose_travels_along_with_its_own_operation_only(gateway: Gateway) -> None:
    async def ask(purpose: str | None) -> None:
        headers = {"Authorization": f"Bearer {gateway.token()}"} | ({"Kizuna-Purpose": purpose} if purpose else {})
        body = {"query": VIEW, "variables": {"id": customer(1)}}
        async with gateway.session.post(f"{gateway.url}/graphql", json=body, headers=headers) as response:
            assert response.status == 200

    await asyncio.gather(*(ask(purpose) for purpose in ("recall", None, "newsletter")))
    by_purpose = Counter(call.headers.get("kizuna-purpose") for call in gateway.fake.calls)
    assert by_purpose == {"recall": 8, None: 8, "newsletter": 8}


async def test_the_trace_travels_along(gateway: Gateway) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"Authorization": f"Bearer {gateway.token()}", "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    body = {"query": VIEW, "variables": {"id": customer(1)}}
    async with gateway.session.post(f"{gateway.url}/graphql", json=body, headers=headers) as response:
        assert response.status == 200
    assert len(gateway.fake.calls) == 8
    assert all(trace_id in call.headers["traceparent"] for call in gateway.fake.calls)


async def test_each_call_is_a_span_of_the_trace_that_the_service_hangs_below(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(clients, "tracer", provider.get_tracer("test"))
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"Authorization": f"Bearer {gateway.token()}", "traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    body = {"query": VIEW, "variables": {"id": customer(1)}}
    async with gateway.session.post(f"{gateway.url}/graphql", json=body, headers=headers) as response:
        assert response.status == 200
    spans = exporter.get_finished_spans()
    contexts = [span.context for span in spans if span.context is not None]
    assert {call.headers["traceparent"] for call in gateway.fake.calls} == {
        f"00-{trace_id}-{context.span_id:016x}-01" for context in contexts
    }
    assert len(contexts) == 8
    assert all(customer(1) not in span.to_json() for span in spans)


async def test_services_are_asked_side_by_side(gateway: Gateway) -> None:
    """Five services of 0.3 s each make a view of 0.3 s, identity included, which everything else depends on."""
    for service in ("identity", "profile", "campaign", "delivery", "survey"):
        gateway.fake.failures[service] = hanging(0.3)
    clock = asyncio.get_running_loop().time
    begin = clock()
    answer = await gateway.ask(VIEW, {"id": customer(1)})
    assert 0.3 <= clock() - begin < 0.6
    assert set(answer.errors.values()) == {"UNAVAILABLE"}
