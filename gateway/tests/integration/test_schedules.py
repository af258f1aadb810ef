"""What is taken by schedule: read in few calls, changed at profile; and whether the policy withholds something."""

from typing import Any

import pytest
from fake_profile import ID
from fake_services import answering, customer
from gateway_harness import Gateway

ONE = customer(1)
WORDS = 'words: {any: ["fine"]}'
NEXT = "nextCategories(first: 2) { toCategory fromCategory lift }"
LIFT = {"toCategory": "refrigerators", "fromCategory": "washers", "lift": 2.5}


async def test_what_a_page_of_customers_buys_next_is_one_call(gateway: Gateway) -> None:
    answer = await gateway.ask(f"{{ customers(first: 20) {{ edges {{ node {{ {NEXT} }} }} }} }}")
    assert [edge["node"] for edge in answer.data["customers"]["edges"]] == [{"nextCategories": [LIFT, LIFT]}] * 20
    assert gateway.fake.paths() == ["identity GET /v1/customers", "profile POST /v1/next-categories:batchGet"]
    gateway.fake.calls.clear()
    answer = await gateway.ask(f'{{ customer(id: "{ONE}") {{ {NEXT} }} }}')
    assert answer.data == {"customer": {"nextCategories": [LIFT, LIFT]}}
    assert len(gateway.fake.calls) == 2
    for first in (0, 21):
        answer = await gateway.ask(f'{{ customer(id: "{ONE}") {{ nextCategories(first: {first}) {{ lift }} }} }}')
        assert answer.body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "first"}


async def test_without_lifts_nothing_comes_next_and_without_the_right_it_is_an_error(gateway: Gateway) -> None:
    query = f'{{ customer(id: "{ONE}") {{ {NEXT} }} categoryLifts {{ lift }} nextCategorySettings {{ version }} }}'
    gateway.fake.failures["profile"] = answering(404)
    nothing = {"customer": {"nextCategories": None}, "categoryLifts": None, "nextCategorySettings": None}
    assert (await gateway.ask(query)).body == {"data": nothing}
    gateway.fake.failures["profile"] = answering(403)
    refused = await gateway.ask(query)
    assert refused.errors == dict.fromkeys(
        ("customer.nextCategories", "categoryLifts", "nextCategorySettings"), "FORBIDDEN"
    )


async def test_schedules_are_read_with_what_was_taken(gateway: Gateway) -> None:
    answer = await gateway.ask("""{
      rfmDefinition { version definition { event property where window } }
      cutPointSchedules { subject every revision versions(first: 1) { edges { node { version atLeast } }
        pageInfo { hasNextPage } } }
      cutPointSchedule(subject: "computed:ltv") { subject }
      nextCategorySettings { version definition { minimumLift recent every } }
      categoryLifts(fromCategory: "tvs", first: 5) { fromCategory customers } }""")
    assert "errors" not in answer.body
    assert answer.data["rfmDefinition"]["definition"] == {
        "event": "Order Completed", "property": "revenue", "where": [], "window": None,
    }  # fmt: skip
    versions = {"edges": [{"node": {"version": 2, "atLeast": {"80": "1000"}}}], "pageInfo": {"hasNextPage": True}}
    assert answer.data["cutPointSchedules"] == [
        {"subject": "monetary", "every": "week", "revision": 4, "versions": versions}
    ]
    assert answer.data["cutPointSchedule"] == {"subject": "computed:ltv"}
    assert answer.data["nextCategorySettings"]["definition"] == {"minimumLift": 1.0, "recent": 5, "every": "week"}
    assert answer.data["categoryLifts"] == [{"fromCategory": "tvs", "customers": 40}]
    assert len(gateway.fake.calls) == 6


@pytest.mark.parametrize(
    ("change", "method", "path", "body"),
    [
        ('putRfm(input: {event: "Bought", expectedVersion: 3}) { rfmDefinition { definition { event } } }',
         "PUT", "/v1/rfm", {"event": "Bought"}),
        ('putCutPointSchedule(input: {subject: "computed:ltv", every: "day", expectedVersion: 3}) { schedule { day } }',
         "PUT", "/v1/cut-points/computed%3Altv", {"every": "day"}),
        ('deleteCutPointSchedule(input: {subject: "monetary", expectedVersion: 3}) { key }',
         "DELETE", "/v1/cut-points/monetary", {}),
        ("putNextCategorySettings(input: {minimumLift: 1.5, day: 2, expectedVersion: 3}) { settings { revision } }",
         "PUT", "/v1/next-categories", {"minimum_lift": 1.5, "day": 2}),
        ("deleteNextCategorySettings(expectedVersion: 3) { key }", "DELETE", "/v1/next-categories", {}),
        (f'putOpinionWords(input: {{opinion: "positive", {WORDS}, expectedVersion: 3}}) {{ opinionWords {{ words }} }}',
         "PUT", "/v1/remark-opinions/positive", {"words": {"any": ["fine"]}}),
    ],
)  # fmt: skip
async def test_a_change_is_made_of_the_version_that_was_seen(
    gateway: Gateway, change: str, method: str, path: str, body: dict[str, Any]
) -> None:
    answer = await gateway.ask(f"mutation {{ {change} }}")
    assert "errors" not in answer.body
    [call] = gateway.fake.calls
    assert (call.method, call.path.replace(":", "%3A"), call.body) == (method, path, body)
    assert call.headers["if-match"] == '"3"'
    gateway.fake.failures["profile"] = answering(412)
    assert (await gateway.ask(f"mutation {{ {change} }}")).errors == {change.partition("(")[0]: "CONFLICT"}


async def test_what_is_due_later_is_taken_now(gateway: Gateway) -> None:
    answer = await gateway.ask("""mutation { takeCutPoints(input: {subject: "recency"}) { schedule { subject } }
      takeCategoryLifts { settings { version } } }""")
    assert answer.data == {
        "takeCutPoints": {"schedule": {"subject": "recency"}},
        "takeCategoryLifts": {"settings": {"version": 0}},
    }
    assert gateway.fake.paths() == ["profile POST /v1/cut-points/recency:cut", "profile POST /v1/next-categories:take"]


async def test_words_presets_sums_and_who_read_are_a_call_each(gateway: Gateway) -> None:
    answer = await gateway.ask(f"""{{
      computedTraitPresets {{ key source }} opinionWords(opinion: "negative") {{ opinion words }}
      remarkTopic(key: "kizuna") {{ name }} remarksAreBeingRead
      totals {{ customers purchases revenueSimulated withheld }}
      insightDatasetReads(key: "census") {{ edges {{ node {{ readBy department }} }} }}
      anonymisedExportReads(id: "{ID}") {{ edges {{ node {{ readBy }} }} }} }}""")
    assert "errors" not in answer.body
    assert answer.data["computedTraitPresets"] == [{"key": "ltv", "source": "docs"}]
    assert answer.data["opinionWords"] == {"opinion": "negative", "words": {"any": ["good"]}}
    assert (answer.data["remarkTopic"], answer.data["remarksAreBeingRead"]) == ({"name": "Kizuna"}, False)
    totals = {"customers": 5_000_000_000, "purchases": None, "revenueSimulated": "0", "withheld": True}
    assert answer.data["totals"] == totals
    assert answer.data["insightDatasetReads"]["edges"] == [{"node": {"readBy": "hanako", "department": "sales"}}]
    assert answer.data["anonymisedExportReads"]["edges"] == [{"node": {"readBy": "hanako"}}]
    assert len(gateway.fake.calls) == 7


@pytest.mark.parametrize("withheld", [True, False])
async def test_what_a_batch_says_of_the_policy_is_said_of_each_customer(gateway: Gateway, withheld: bool) -> None:
    gateway.fake.withheld = withheld
    answer = await gateway.ask("""{ customers(first: 3) { edges { node { withheld rank { key }
      timeline(first: 1) { withheld } } } } }""")
    node = {"withheld": withheld, "rank": {"key": "gold"}, "timeline": {"withheld": withheld}}
    assert [edge["node"] for edge in answer.data["customers"]["edges"]] == [node] * 3
    assert len(gateway.fake.calls) == 3


async def test_whether_lists_are_whole_comes_with_them_in_one_call_each(gateway: Gateway) -> None:
    answer = await gateway.ask("""{ withheld { segments signs computedTraits }
      segments { key } signs { key } computedTraits { key } again: signs { name } }""")
    assert "errors" not in answer.body
    assert answer.data["withheld"] == {"segments": False, "signs": False, "computedTraits": True}
    assert sorted(gateway.fake.paths()) == [
        f"profile GET /v1/{noun}" for noun in ("computed-traits", "segments", "signs")
    ]
    gateway.fake.failures["profile"] = answering(403)
    answer = await gateway.ask("{ withheld { segments } segments { key } }")
    assert answer.errors == {"withheld.segments": "FORBIDDEN", "segments": "FORBIDDEN"}
