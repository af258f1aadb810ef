"""Signs and remarks: a customer's come with everybody else's, definitions are changed at profile."""

from typing import Any

import pytest
from fake_services import answering, customer
from gateway_harness import Gateway

CONDITION = {"kind": "event_count", "event": "Estimate Asked", "comparison": "ge", "value": 1}
OF_CUSTOMERS = """query($first: Int!, $topic: String) { customers(first: $first) { edges { node {
  signs { key strength expiresAt } remarks(first: 5, topic: $topic) { text opinion topics { key kind } } } } } }"""


async def test_signs_and_remarks_of_a_page_of_customers_are_a_call_each(gateway: Gateway) -> None:
    answer = await gateway.ask(OF_CUSTOMERS, {"first": 20, "topic": "rival"})
    nodes = [edge["node"] for edge in answer.data["customers"]["edges"]]
    assert [node["signs"] for node in nodes] == [[{"key": "moving", "strength": "strong", "expiresAt": None}]] * 20
    assert nodes[0]["remarks"] == [
        {"text": "絆はよい", "opinion": "positive", "topics": [{"key": "rival", "kind": "own"}]}
    ]
    assert gateway.fake.paths()[0] == "identity GET /v1/customers"
    assert sorted(gateway.fake.paths()[1:]) == [
        "profile POST /v1/customers:batchGet",
        "profile POST /v1/remarks:batchGet",
    ]
    [asked] = [call.body for call in gateway.fake.calls if call.path == "/v1/remarks:batchGet"]
    assert (asked["topics"], asked["first"], len(asked["customer_ids"])) == (["rival"], 5, 20)


async def test_a_sign_with_who_shows_it_and_what_followed(gateway: Gateway) -> None:
    answer = await gateway.ask("""{
      sign(key: "moving") { key status outcome { event }
        customers { edges { node { detectedAt customer { id rank { name } } } } }
        precision(from: "2026-11-01", until: "2026-11-20") { detected rate baseRate lift } }
      signs { key meaning }
      signCoverage { inASituation share signs { key customers } }
      remarkTopics { key keywords }
      remarkDays(topic: "kizuna") { remarks positive } }""")
    assert "errors" not in answer.body
    [edge] = answer.data["sign"]["customers"]["edges"]
    assert edge["node"]["customer"] == {"id": customer(3), "rank": {"name": "Gold"}}
    assert answer.data["sign"]["precision"] == {"detected": 4, "rate": 0.5, "baseRate": 0.1, "lift": 5.0}
    assert answer.data["signCoverage"]["signs"] == [{"key": "moving", "customers": 3}]
    assert answer.data["remarkTopics"] == [{"key": "kizuna", "keywords": {"ja": ["絆"]}}]
    assert answer.data["remarkDays"] == [{"remarks": 3, "positive": 1}]
    assert len(gateway.fake.calls) == 8
    [days] = [call for call in gateway.fake.calls if call.path.endswith("/precision")]
    assert dict(days.query) == {"first_day": "2026-11-01", "last_day": "2026-11-20"}


async def test_a_sign_is_put_and_published(gateway: Gateway) -> None:
    put = (
        "mutation($input: PutSignInput!) { putSign(input: $input) { sign { key name outcome { event withinDays } } } }"
    )
    given: dict[str, Any] = {"key": "moving", "name": "M", "meaning": "m", "condition": CONDITION, "strength": "weak"}
    given |= {"lifetimeDays": 30, "outcome": {"event": "Moved", "withinDays": 90}, "expectedVersion": 2}
    answer = await gateway.ask(put, {"input": given})
    sign = {"key": "moving", "name": "M", "outcome": {"event": "Moved", "withinDays": 90}}
    assert answer.data == {"putSign": {"sign": sign}}
    [call] = gateway.fake.calls
    assert (call.path, call.headers["if-match"]) == ("/v1/signs/moving", '"2"')
    assert call.body == {
        "name": "M", "meaning": "m", "condition": CONDITION, "strength": "weak", "lifetime_days": 30,
        "outcome": {"event": "Moved", "within_days": 90},
    }  # fmt: skip
    publish = 'mutation { publishSign(input: {key: "moving", why: "x"}) { sign { status } } }'
    assert (await gateway.ask(publish)).data == {"publishSign": {"sign": {"status": "published"}}}
    assert gateway.fake.calls[-1].body == {"why": "x", "force": False}


async def test_a_sign_is_taken_into_use_again_and_says_what_it_was(gateway: Gateway) -> None:
    sign = "sign { status versions(first: 5) { edges { node { version why strength withheld } } } }"
    answer = await gateway.ask(f'mutation {{ unarchiveSign(input: {{key: "moving"}}) {{ {sign} }} }}')
    version = {"version": 2, "why": "w", "strength": "strong", "withheld": False}
    shown = {"status": "published", "versions": {"edges": [{"node": version}]}}
    assert answer.data == {"unarchiveSign": {"sign": shown}}
    assert gateway.fake.paths() == ["profile POST /v1/signs/moving:unarchive", "profile GET /v1/signs/moving/versions"]


@pytest.mark.parametrize(
    "outcome",
    [
        {"sign": "settled"},
        {"anyOf": [{"event": "Moved"}, {"event": "Address Changed", "where": []}]},
        {"event": "Moved", "where": [{"property": "to", "comparison": "exists"}]},
    ],
)
async def test_what_should_follow_a_sign_passes_as_it_is_given(gateway: Gateway, outcome: dict[str, Any]) -> None:
    put = """mutation($input: PutSignInput!) { putSign(input: $input) {
      sign { outcome { event where anyOf sign withinDays } } } }"""
    given = {"key": "moving", "name": "M", "meaning": "m", "condition": CONDITION, "strength": "weak"}
    answer = await gateway.ask(put, {"input": given | {"lifetimeDays": 30, "outcome": outcome | {"withinDays": 9}}})
    nothing: dict[str, Any] = {"event": None, "where": [], "anyOf": None, "sign": None, "withinDays": 9}
    assert answer.data == {"putSign": {"sign": {"outcome": nothing | outcome}}}
    sent = gateway.fake.calls[0].body["outcome"]
    assert sent == {{"anyOf": "any_of"}.get(name, name): value for name, value in outcome.items()} | {"within_days": 9}


async def test_who_may_is_profiles_word(gateway: Gateway) -> None:
    gateway.fake.failures["profile"] = answering(403)
    for mutation, field in (
        ('archiveSign(input: {key: "x"}) { sign { key } }', "archiveSign"),
        ('deleteRemarkTopic(input: {key: "x"}) { key }', "deleteRemarkTopic"),
        ('putRemarkTopic(input: {key: "x", name: "x", kind: "own", keywords: {}}) { topic { key } }', "putRemarkTopic"),
    ):
        answer = await gateway.ask(f"mutation {{ {mutation} }}")
        assert answer.errors == {field: "FORBIDDEN"}
