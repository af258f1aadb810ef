"""Who may read what is asked of profile and changed there; so is what circulated."""

from fake_services import answering
from gateway_harness import Gateway

EXPLAIN = """query($input: ExplainPolicyInput!) { explainPolicy(input: $input) { effect because position rule } }"""


async def test_the_policy_is_read_explained_and_changed(gateway: Gateway) -> None:
    answer = await gateway.ask("""{ policy { version default rules why }
      policyVersions { edges { node { version changedBy } } } }""")
    assert answer.data["policy"] == {"version": 3, "default": "allow", "rules": [{"effect": "deny"}], "why": "w"}
    assert answer.data["policyVersions"]["edges"] == [{"node": {"version": 3, "changedBy": "a"}}]
    given = {"kind": "event", "name": "Called", "department": "crm", "origin": {"legalEntity": "A"}}
    answer = await gateway.ask(EXPLAIN, {"input": given})
    assert answer.data["explainPolicy"] == {
        "effect": "deny", "because": "rule", "position": 0, "rule": {"effect": "deny"},
    }  # fmt: skip
    assert gateway.fake.calls[-1].body == {
        "kind": "event", "name": "Called", "department": "crm", "brands": [], "from": {"legal_entity": "A"},
    }  # fmt: skip
    put = "mutation($input: PutPolicyInput!) { putPolicy(input: $input) { policy { default why } } }"
    answer = await gateway.ask(put, {"input": {"default": "deny", "rules": [], "why": "New.", "expectedVersion": 3}})
    assert answer.data == {"putPolicy": {"policy": {"default": "deny", "why": "New."}}}
    call = gateway.fake.calls[-1]
    assert (call.method, call.path, call.headers["if-match"]) == ("PUT", "/v1/policy", '"3"')
    assert call.body == {"default": "deny", "rules": [], "why": "New."}


async def test_what_circulated_is_one_call(gateway: Gateway) -> None:
    answer = await gateway.ask("""{ circulation(from: "2026-11-01", step: "day", segment: "vip") {
      firstDay given { department count } used { reader giver count } segments { key drawnFrom }
      results { key purchases { revenue } messagesSent { events } } } }""")
    assert answer.data["circulation"] == {
        "firstDay": "2026-11-01",
        "given": [{"department": None, "count": 5_000_000_000}],
        "used": [{"reader": "crm", "giver": "sales", "count": 4}],
        "segments": [{"key": "x", "drawnFrom": ["sales"]}],
        "results": {"key": "vip", "purchases": {"revenue": "10.50"}, "messagesSent": None},
    }
    [call] = gateway.fake.calls
    assert dict(call.query) == {"from": "2026-11-01", "step": "day", "segment": "vip"}


async def test_who_may_is_profiles_word(gateway: Gateway) -> None:
    gateway.fake.failures["profile"] = answering(403)
    answer = await gateway.ask("{ policy { version } circulation { firstDay } }")
    assert answer.errors == {"policy": "FORBIDDEN", "circulation": "FORBIDDEN"}
    answer = await gateway.ask('mutation { putPolicy(input: {rules: [], why: "x"}) { policy { version } } }')
    assert answer.errors == {"putPolicy": "FORBIDDEN"}
