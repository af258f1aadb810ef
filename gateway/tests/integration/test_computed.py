"""What is computed of a customer comes with the rest of profile's; its definitions are changed at profile."""

from fake_services import answering, customer
from gateway_harness import Gateway

FIELDS = "points lifecycle computed nextRank { key missing } rfmScores { recency frequency monetary }"


async def test_it_comes_with_the_rest_in_one_call(gateway: Gateway) -> None:
    answer = await gateway.ask(f"{{ customers(first: 20) {{ edges {{ node {{ rank {{ key }} {FIELDS} }} }} }} }}")
    assert [edge["node"] for edge in answer.data["customers"]["edges"]] == [
        {
            "rank": {"key": "gold"},
            "points": "1200.50",
            "lifecycle": "loyal",
            "computed": {"lifetime_value": 1200.5},
            "nextRank": {"key": "platinum", "missing": "799.50"},
            "rfmScores": {"recency": 5, "frequency": 4, "monetary": None},
        }
    ] * 20
    assert gateway.fake.paths() == ["identity GET /v1/customers", "profile POST /v1/customers:batchGet"]
    gateway.fake.calls.clear()
    answer = await gateway.ask(f'{{ customer(id: "{customer(99)}") {{ {FIELDS} }} }}')
    assert answer.body == {"data": {"customer": None}}


async def test_definitions_are_read_and_changed(gateway: Gateway) -> None:
    answer = await gateway.ask("""{ rankTable { version measure ranks { key threshold size } }
      lifecycleDefinition { definition states { key } }
      computedTraits { key unit } computedTrait(key: "x") { name } }""")
    assert "errors" not in answer.body
    assert answer.data["rankTable"]["ranks"] == [{"key": "gold", "threshold": "1000", "size": 3}]
    assert answer.data["lifecycleDefinition"]["definition"] == {"dormant_days": 240}
    assert len(gateway.fake.calls) == 4
    put = """mutation($input: PutComputedTraitInput!) { putComputedTrait(input: $input) {
      computedTrait { name value } } }"""
    value = {"kind": "constant", "value": 1}
    given = {"key": "one", "name": "One", "value": value, "expectedVersion": 7}
    answer = await gateway.ask(put, {"input": given})
    assert answer.data == {"putComputedTrait": {"computedTrait": {"name": "One", "value": value}}}
    call = gateway.fake.calls[-1]
    assert (call.method, call.path, call.body) == ("PUT", "/v1/computed-traits/one", {"name": "One", "value": value})
    assert call.headers["if-match"] == '"7"'
    answer = await gateway.ask("mutation { putLifecycle(input: {definition: 3}) { lifecycle { version } } }")
    assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "definition"}
    answer = await gateway.ask('mutation { putLifecycle(input: {definition: {event: "X"}}) { lifecycle { version } } }')
    assert answer.data == {"putLifecycle": {"lifecycle": {"version": 1}}}
    assert gateway.fake.calls[-1].body == {"event": "X"}


async def test_who_may_is_profiles_word(gateway: Gateway) -> None:
    gateway.fake.failures["profile"] = answering(403)
    for change, field in (
        ("putRanks(input: {ranks: []}) { rankTable { version } }", "putRanks"),
        ('deleteComputedTrait(input: {key: "x"}) { key }', "deleteComputedTrait"),
    ):
        assert (await gateway.ask(f"mutation {{ {change} }}")).errors == {field: "FORBIDDEN"}
