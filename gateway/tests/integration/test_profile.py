"""What profile knows by definition: asked in as few calls as may be, changed once, its refusals named."""

from collections import Counter
from typing import Any

import pytest
from fake_profile import ID, PURPOSE, VERSIONS
from fake_services import answering, customer, problem
from gateway_harness import Gateway

ONE = customer(1)
CONDITION = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 2}
RELATIONS = """query($first: Int!, $purpose: String!) { customers(first: $first) { edges { node { id
  relations(purpose: $purpose) { id relation occasion date purpose } } } } }"""
EXPLAINED = """query($id: ID!, $name: String!, $first: Int!, $after: String) { customer(id: $id) {
  traits { name department legalEntity }
  trait(name: $name, first: $first, after: $after) { name value policy winner { value source department }
    observations { edges { cursor node { value source lostBecause } } pageInfo { hasNextPage endCursor } } } } }"""
SEGMENT = """query($key: String!, $from: Date, $until: Date) { segment(key: $key) {
  key kind status size
  versions(first: 2) { edges { node { version publishedBy } } pageInfo { hasNextPage } }
  sizeHistory(from: $from, until: $until) { day size entered { reason customers } exited { reason } }
  members(first: 2) { totalCount edges { node { id rank { name } } } }
  insights { datasets { key licence } cells { edges { node { cellSize dimensions measures } } } } } }"""


async def define_segment(gateway: Gateway, key: str) -> None:
    mutation = "mutation($input: PutSegmentInput!) { putSegment(input: $input) { segment { key } } }"
    answer = await gateway.ask(mutation, {"input": {"key": key, "name": "X", "condition": CONDITION}})
    assert answer.data == {"putSegment": {"segment": {"key": key}}}
    gateway.fake.calls.clear()


async def test_the_dates_of_a_page_of_customers_are_one_call_for_the_purpose_asked(gateway: Gateway) -> None:
    answer = await gateway.ask(RELATIONS, {"first": 20, "purpose": PURPOSE})
    edges = answer.data["customers"]["edges"]
    assert len(edges) == 20
    assert all(edge["node"]["relations"][0]["date"] == "--03-14" for edge in edges)
    assert gateway.fake.paths() == ["identity GET /v1/customers", "profile POST /v1/relations:batchGet"]
    assert gateway.fake.calls[1].body == {"customer_ids": [edge["node"]["id"] for edge in edges], "purpose": PURPOSE}
    answer = await gateway.ask(RELATIONS, {"first": 20, "purpose": "advertising"})
    assert [edge["node"]["relations"] for edge in answer.data["customers"]["edges"]] == [[]] * 20
    answer = await gateway.ask(RELATIONS, {"first": 1, "purpose": ""})
    assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "purpose"}


async def test_dates_are_asked_for_while_identity_says_who_it_is(gateway: Gateway) -> None:
    query = "query($id: ID!, $for: String!) { customer(id: $id) { relations(purpose: $for) { occasion } } }"
    answer = await gateway.ask(query, {"id": ONE, "for": PURPOSE})
    assert answer.data == {"customer": {"relations": [{"occasion": "wedding"}]}}
    assert Counter(gateway.fake.paths()) == {
        "identity POST /v1/customers:batchGet": 1,
        "profile POST /v1/relations:batchGet": 1,
    }


async def test_why_traits_of_many_customers_won_is_one_call(gateway: Gateway) -> None:
    said = "value policy withheld observations { edges { node { source lostBecause } } pageInfo { hasNextPage } }"
    query = f"""{{ customers(first: 20) {{ edges {{ node {{
      city: trait(name: "city", first: 2) {{ {said} }} plan: trait(name: "plan", first: 2) {{ {said} }}
      none: trait(name: "unsaid", first: 2) {{ {said} }} }} }} }} }}"""
    gateway.fake.withheld = True
    answer = await gateway.ask(query)
    assert "errors" not in answer.body
    edges = [
        {"node": {"source": source, "lostBecause": why}} for source, why in (("shop", "less_trusted"), ("crm", None))
    ]
    won: dict[str, Any] = {"value": "東京", "policy": "most_trusted", "withheld": True}
    won |= {"observations": {"edges": edges, "pageInfo": {"hasNextPage": True}}}
    nothing: dict[str, Any] = {"value": None, "policy": None, "withheld": True}
    nothing |= {"observations": {"edges": [], "pageInfo": {"hasNextPage": False}}}
    nodes = [edge["node"] for edge in answer.data["customers"]["edges"]]
    assert nodes == [{"city": won, "plan": won, "none": nothing}] * 20
    assert gateway.fake.paths() == ["identity GET /v1/customers", "profile POST /v1/trait-observations:batchGet"]
    asked = gateway.fake.calls[-1].body
    assert (len(asked["customer_ids"]), asked["names"], asked["first"]) == (20, ["city", "plan", "unsaid"], 2)
    gateway.fake.calls.clear()
    pages = 'a: trait(name: "a", first: 1) { value } b: trait(name: "b", first: 2) { value }'
    answer = await gateway.ask(f'{{ customer(id: "{ONE}") {{ {pages} too: trait(name: "{"x" * 201}") {{ value }} }} }}')
    assert answer.errors == {"customer.too": "BAD_USER_INPUT"}
    assert gateway.fake.paths()[1:] == ["profile POST /v1/trait-observations:batchGet"] * 2


async def test_why_a_trait_won_is_one_call_and_who_won_comes_with_the_traits(gateway: Gateway) -> None:
    answer = await gateway.ask(EXPLAINED, {"id": ONE, "name": "first_name", "first": 2})
    trait = answer.data["customer"]["trait"]
    assert (trait["value"], trait["policy"]) == ("東京", "most_trusted")
    assert trait["winner"] == {"value": "花子", "source": "crm", "department": "sales"}
    assert [edge["node"]["lostBecause"] for edge in trait["observations"]["edges"]] == ["less_trusted", None]
    assert Counter(gateway.fake.paths()) == {
        "identity POST /v1/customers:batchGet": 1,
        "profile POST /v1/customers:batchGet": 1,
        "profile POST /v1/trait-observations:batchGet": 1,
    }
    info = trait["observations"]["pageInfo"]
    assert info["hasNextPage"]
    rest = await gateway.ask(EXPLAINED, {"id": ONE, "name": "first_name", "first": 2, "after": info["endCursor"]})
    [edge] = rest.data["customer"]["trait"]["observations"]["edges"]
    assert edge["node"] == {"value": "大阪", "source": "shop", "lostBecause": "less_trusted"}


async def test_the_winner_alone_of_many_customers_is_no_call_each(gateway: Gateway) -> None:
    query = '{ customers(first: 20) { edges { node { trait(name: "age") { winner { value legalEntity } } } } } }'
    answer = await gateway.ask(query)
    winners = [edge["node"]["trait"]["winner"] for edge in answer.data["customers"]["edges"]]
    assert winners == [{"value": 42, "legalEntity": "Kizuna K.K."}] * 20
    assert gateway.fake.paths() == ["identity GET /v1/customers", "profile POST /v1/customers:batchGet"]


async def test_a_segment_with_its_members_history_and_what_is_known_of_it(gateway: Gateway) -> None:
    await define_segment(gateway, "loyal")
    answer = await gateway.ask(SEGMENT, {"key": "loyal", "from": "2026-11-01", "until": "2026-11-20"})
    assert "errors" not in answer.body
    segment = answer.data["segment"]
    assert (segment["key"], segment["kind"], segment["status"]) == ("loyal", "dynamic", "draft")
    assert [edge["node"]["version"] for edge in segment["versions"]["edges"]] == [VERSIONS, VERSIONS - 1]
    assert segment["versions"]["pageInfo"]["hasNextPage"]
    assert segment["sizeHistory"] == [
        {"day": "2026-11-01", "size": 3, "entered": [{"reason": "event", "customers": 2}], "exited": []}
    ]
    assert [edge["node"]["rank"]["name"] for edge in segment["members"]["edges"]] == ["Gold"] * 2
    assert segment["insights"]["datasets"] == [{"key": "census", "licence": "l"}]
    [cell] = segment["insights"]["cells"]["edges"]
    assert cell["node"] == {"cellSize": 120, "dimensions": {"band": "30s"}, "measures": {"income": 1}}
    assert Counter(gateway.fake.paths()) == {
        "profile GET /v1/segments/loyal": 1,
        "profile GET /v1/segments/loyal/versions": 1,
        "profile GET /v1/segments/loyal/days": 1,
        "profile GET /v1/segments/loyal/insights": 1,
        "profile GET /v1/customers": 1,
        "profile POST /v1/customers:batchGet": 1,
    }
    [days] = [call for call in gateway.fake.calls if call.path.endswith("/days")]
    assert dict(days.query) == {"first_day": "2026-11-01", "last_day": "2026-11-20"}
    assert (await gateway.ask('{ segment(key: "none") { key } }')).body == {"data": {"segment": None}}


async def test_a_condition_is_tried_and_the_sample_is_of_customers(gateway: Gateway) -> None:
    query = """query($condition: JSON!, $exact: Boolean!) { previewSegment(condition: $condition, exact: $exact) {
      count low high total share isEstimate sample { id rank { name } } } }"""
    for exact in (False, True):
        answer = await gateway.ask(query, {"condition": CONDITION, "exact": exact})
        preview = answer.data["previewSegment"]
        assert (preview["count"], preview["isEstimate"]) == (3, not exact)
        assert preview["sample"] == [{"id": customer(3), "rank": {"name": "Gold"}}]
    asked = [call.body for call in gateway.fake.calls if call.path == "/v1/segments:preview"]
    assert asked == [{"condition": CONDITION, "mode": mode, "force": False} for mode in ("estimate", "exact")]


async def test_what_segments_have_in_common_is_one_call(gateway: Gateway) -> None:
    query = "query($keys: [String!]!) { segmentOverlap(keys: $keys) { a b both onlyA onlyB } }"
    answer = await gateway.ask(query, {"keys": ["one", "two"]})
    assert answer.data == {"segmentOverlap": [{"a": "one", "b": "two", "both": 1, "onlyA": 2, "onlyB": 1}]}
    assert gateway.fake.paths() == ["profile GET /v1/segments:overlaps"]
    for keys, field in ((["one"], "keys"), (["x"] * 11, "keys"), (["one", ""], "keys.1")):
        answer = await gateway.ask(query, {"keys": keys})
        assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}


async def test_definitions_and_records_are_read_and_the_schema_passes_unread(gateway: Gateway) -> None:
    answer = await gateway.ask(f"""{{
      traitDefinitions {{ edges {{ node {{ name policy trusted {{ source department }} }} }} }}
      traitRetraction(id: "{ID}") {{ retracted why }}
      insightDatasets {{ edges {{ node {{ key measures {{ unit }} }} }} }}
      anonymisedExports {{ edges {{ node {{ id state definition {{ purpose }} figures {{ kReached }} }} }} }}
      conditionSchema }}""")
    assert "errors" not in answer.body
    [definition] = answer.data["traitDefinitions"]["edges"]
    assert definition["node"]["trusted"] == [
        {"source": "crm", "department": None},
        {"source": None, "department": "sales"},
    ]
    assert answer.data["traitRetraction"] == {"retracted": 1, "why": "wrong"}
    assert answer.data["insightDatasets"]["edges"][0]["node"]["measures"] == [{"unit": "JPY"}]
    assert answer.data["anonymisedExports"]["edges"][0]["node"]["figures"] == {"kReached": 10}
    assert answer.data["conditionSchema"]["big"] == 12345678901234567890123
    assert len(gateway.fake.calls) == 5


async def test_a_segment_is_put_and_published_as_it_was_put(gateway: Gateway) -> None:
    await define_segment(gateway, "loyal")
    publish = "mutation($input: PublishSegmentInput!) { publishSegment(input: $input) { segment { status } } }"
    answer = await gateway.ask(publish, {"input": {"key": "loyal", "why": "Spring."}})
    assert answer.data == {"publishSegment": {"segment": {"status": "published"}}}
    [call] = gateway.fake.calls
    assert (call.path, call.body) == ("/v1/segments/loyal:publish", {"why": "Spring.", "force": False})
    gateway.fake.calls.clear()
    for given, field in (({"name": "X"}, "condition"), ({"condition": CONDITION}, "name")):
        answer = await gateway.ask(publish, {"input": {"key": "loyal"} | given})
        assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}
    assert gateway.fake.calls == []
    await gateway.ask(publish, {"input": {"key": "loyal", "expectedVersion": 4}})
    [call] = gateway.fake.calls
    assert (call.path, call.headers["if-match"]) == ("/v1/segments/loyal:publish", '"4"')


async def test_a_static_list_is_filled_and_emptied(gateway: Gateway) -> None:
    for verb, outcome in (("add", "added"), ("remove", "removed")):
        mutation = f"""mutation($input: SegmentMembersInput!) {{ {verb}SegmentMembers(input: $input) {{
          outcomes {{ customerId outcome }} }} }}"""
        answer = await gateway.ask(mutation, {"input": {"key": "vip", "customerIds": [ONE.upper()]}})
        assert answer.data[f"{verb}SegmentMembers"]["outcomes"] == [{"customerId": ONE, "outcome": outcome}]
        assert gateway.fake.calls[-1].path == f"/v1/segments/vip:{verb}Members"
        answer = await gateway.ask(mutation, {"input": {"key": "vip", "customerIds": [ONE, "x"]}})
        assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "customerIds.1"}


async def test_a_trait_is_defined_and_taken_back(gateway: Gateway) -> None:
    mutation = """mutation($input: PutTraitDefinitionInput!) { putTraitDefinition(input: $input) {
      definition { name policy revision } } }"""
    given = {"name": "home/city", "policy": "most_trusted", "trusted": [{"source": "crm"}], "expectedVersion": 4}
    answer = await gateway.ask(mutation, {"input": given})
    assert "errors" not in answer.body
    [call] = gateway.fake.calls
    assert (call.path, call.headers["if-match"]) == ("/v1/traits/home/city", '"4"')
    assert call.body == {"policy": "most_trusted", "trusted": [{"source": "crm"}], "is_sensitive": False, "labels": []}
    retract = "mutation($input: RetractTraitInput!) { retractTrait(input: $input) { retraction { source why } } }"
    given = {"name": "city", "sourceId": "shop", "customerId": ONE.upper(), "why": "A mix-up."}
    answer = await gateway.ask(retract, {"input": given})
    assert answer.data == {"retractTrait": {"retraction": {"source": "shop", "why": "A mix-up."}}}
    assert gateway.fake.calls[-1].path == "/v1/traits/city:retract"
    await gateway.ask(retract, {"input": given | {"idempotencyKey": "mine"}})
    keys = [call.headers["idempotency-key"] for call in gateway.fake.calls if call.path.endswith(":retract")]
    assert keys[1] == "mine" != keys[0]
    assert gateway.fake.calls[-1].body == {"source_id": "shop", "customer_id": ONE, "why": "A mix-up."}


async def test_a_date_is_put_under_the_present_customer_and_taken_back(gateway: Gateway) -> None:
    gateway.fake.former = {customer(7): ONE}
    put = "mutation($input: PutRelationInput!) { putRelation(input: $input) { relation { id date purpose } } }"
    ids = {"customerId": customer(7), "relationId": ID}
    given = {"relation": "wife", "occasion": "birthday", "date": "2019-03-14", "purpose": PURPOSE}
    answer = await gateway.ask(put, {"input": ids | given})
    assert answer.data == {"putRelation": {"relation": {"id": ID, "date": "2019-03-14", "purpose": PURPOSE}}}
    assert gateway.fake.paths()[-1] == f"profile PUT /v1/customers/{ONE}/relations/{ID}"
    assert gateway.fake.calls[-1].body == given
    withdraw = "mutation($input: WithdrawRelationInput!) { withdrawRelation(input: $input) { customer { id } } }"
    answer = await gateway.ask(withdraw, {"input": ids})
    assert answer.data == {"withdrawRelation": {"customer": {"id": ONE}}}
    assert gateway.fake.paths()[-1] == f"profile DELETE /v1/customers/{ONE}/relations/{ID}"


async def test_refusals_of_a_change_name_the_argument(gateway: Gateway) -> None:
    async def refuse() -> Any:
        return problem(422, "wrong", errors=[{"field": "minimum_cell_size", "detail": "too small"}])

    gateway.fake.failures["profile"] = refuse
    mutation = """mutation($input: PutInsightDatasetInput!) { putInsightDataset(input: $input) { dataset { key } } }"""
    texts = dict.fromkeys(("key", "title", "supplier", "purpose", "hypothesis", "licence"), "x")
    given = texts | {"segmentKeys": ["a"], "measures": [], "expiresAt": "2027-01-01T00:00:00Z", "minimumCellSize": 1}
    answer = await gateway.ask(mutation, {"input": given})
    assert answer.data == {"putInsightDataset": None}
    assert answer.body["errors"][0]["extensions"] == {
        "code": "BAD_USER_INPUT",
        "service": "profile",
        "field": "minimumCellSize",
        "errors": [{"field": "minimumCellSize", "detail": "too small"}],
    }


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ('mutation { archiveSegment(input: {key: "x"}) { segment { key } } }', "archiveSegment"),
        ('mutation { deleteInsightDataset(input: {key: "x"}) { key } }', "deleteInsightDataset"),
        ('mutation { deleteTraitDefinition(input: {name: "x"}) { key } }', "deleteTraitDefinition"),
        (f'mutation {{ cancelAnonymisedExport(input: {{exportId: "{ID}"}}) {{ export {{ id }} }} }}',
         "cancelAnonymisedExport"),
        ("{ insightDatasets { edges { node { key } } } }", "insightDatasets"),
        ("{ anonymisedExports { edges { node { id } } } }", "anonymisedExports"),
        ('{ previewSegment(condition: {kind: "x"}) { count } }', "previewSegment"),
        ("{ segments { key } }", "segments"),
    ],
)  # fmt: skip
async def test_who_may_is_profiles_word(gateway: Gateway, query: str, field: str) -> None:
    gateway.fake.failures["profile"] = answering(403)
    answer = await gateway.ask(query)
    assert answer.data == {field: None}
    assert answer.errors == {field: "FORBIDDEN"}
    assert len(gateway.fake.calls) == 1


async def test_what_is_refused_of_a_customer_leaves_the_rest(gateway: Gateway) -> None:
    gateway.fake.failures["profile"] = answering(403)
    query = """query($id: ID!) { customer(id: $id) { id messages { state }
      trait(name: "city") { name value winner { value } } relations(purpose: "p") { id } } }"""
    answer = await gateway.ask(query, {"id": ONE})
    assert len(answer.data["customer"]["messages"]) == 5
    assert answer.data["customer"]["trait"] == {"name": "city", "value": None, "winner": None}
    assert answer.errors == dict.fromkeys(
        ("customer.relations", "customer.trait.value", "customer.trait.winner"), "FORBIDDEN"
    )


async def test_fields_that_are_a_call_each_cost_it(gateway: Gateway) -> None:
    """None of these has a batch at profile, so a page of many with them is refused before anything is asked."""

    def is_refused(answer: Any) -> bool:
        return [error["extensions"]["code"] for error in answer.body.get("errors", [])] == ["LIMIT_EXCEEDED"]

    explained = 'trait(name: "x", first: 100) { observations { edges { node { value } } } }'
    assert is_refused(await gateway.ask(f"{{ customers(first: 100) {{ edges {{ node {{ {explained} }} }} }} }}"))
    many = " ".join(f'p{n}: previewSegment(condition: {{kind: "x"}}, exact: true) {{ count }}' for n in range(11))
    assert is_refused(await gateway.ask(f"{{ {many} }}"))
    assert gateway.fake.calls == []
