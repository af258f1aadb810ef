"""Creatives, campaigns and journeys over REST: idempotent, versioned, refused by field."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from services.campaign.tests.integration.campaign_world import SEND, Marketer, Settle, entered, journey

from campaign_service.app import build
from campaign_service.settings import Settings
from servicekit.command import openapi_text
from servicekit.testing import RunningService

CREATIVE = {"name": "Autumn", "medium": "magazine", "headline": "絆", "body": None, "url": "https://shop.test/a"}
CAMPAIGN = {"name": "Dormant", "goal": {"event": "Order Completed", "sum_property": "revenue", "window_days": 14}}


async def test_writing_the_same_again_changes_nothing(service: RunningService, marketer: Marketer) -> None:
    for path, body, change in (
        ("/v1/creatives/autumn", CREATIVE, {"name": "Late autumn"}),
        ("/v1/campaigns/dormant", CAMPAIGN | {"creative_keys": ["autumn"]}, {"name": "Sleeping"}),
        ("/v1/journeys/winback", journey(), {"name": "Return"}),
    ):
        answers = [
            await service.client.put(path, json=each, headers=service.headers()) for each in (body, body, body | change)
        ]
        assert [answer.status_code for answer in answers] == [201, 200, 200], answers[0].text
        assert [answer.headers["ETag"] for answer in answers] == ['"1"', '"1"', '"2"']
        assert answers[0].json() == answers[1].json()
        read = await service.client.get(path, headers=service.headers())
        assert read.json() == answers[2].json()
        assert read.headers["ETag"] == '"2"'
        plural = path.rsplit("/", 1)[0]
        assert (await marketer.get(plural))["items"] == [answers[2].json()]


async def test_if_match_guards_a_change(service: RunningService, marketer: Marketer) -> None:
    await marketer.put("/v1/creatives/autumn", CREATIVE)
    for path, body in (("/v1/creatives/autumn", CREATIVE | {"name": "x"}), ("/v1/creatives/other", CREATIVE)):
        answer = await service.client.put(path, json=body, headers=service.headers() | {"If-Match": '"7"'})
        assert answer.status_code == 412
    assert (await marketer.get("/v1/creatives"))["items"][0]["name"] == "Autumn"
    good = await service.client.put(
        "/v1/creatives/autumn", json=CREATIVE | {"name": "x"}, headers=service.headers() | {"If-Match": '"1"'}
    )
    assert good.status_code == 200


def without(body: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in body.items() if key != name}


BROKEN_JOURNEYS: list[tuple[dict[str, Any], str]] = [
    (journey({"key": "a", **SEND, "next": "b"}), "steps.0.next"),
    (journey({"key": "a", **SEND}, {"key": "b", "kind": "end"}), "steps.1"),
    (journey({"key": "a", **without(SEND, "template_key")}), "steps.0.template_key"),
    (journey({"key": "a", "kind": "wait"}), "steps.0"),
    (journey({"key": "a", "kind": "fly"}), "steps.0"),
    (journey({"key": "a", **SEND, "surprise": 1}), "steps.0.surprise"),
    (journey(campaign_key="nowhere"), "campaign_key"),
    (journey(trigger={"kind": "segment_entered"}), "trigger.segment_key"),
    (journey(trigger={"kind": "moon"}), "trigger"),
    (journey(reentry={"after_days": 0}), "reentry.after_days"),
    (journey(steps=[]), "steps"),
    (without(journey(), "steps"), "steps"),
    (journey(name=7), "name"),
    (journey(name="\u0000"), "name"),
    (journey({"key": "a", **SEND, "variables": {"a": "\u0000"}}), "steps.0.variables.a"),
    (journey({"key": "a", **SEND, "variables": {"\u0000": 1}}), "steps.0.variables.\u0000.[key]"),
    (journey({"key": "a", "kind": "holdout", "percent": float("nan")}), "steps.0.percent"),
    (journey(trigger={"kind": "event", "event": "\ud800"}), "trigger.event"),
]


@pytest.mark.parametrize(("body", "field"), BROKEN_JOURNEYS, ids=[field for _, field in BROKEN_JOURNEYS])
async def test_a_broken_journey_is_refused_by_path(
    service: RunningService, marketer: Marketer, body: dict[str, Any], field: str
) -> None:
    await marketer.put("/v1/campaigns/dormant", CAMPAIGN)
    headers = service.headers() | {"Content-Type": "application/json"}
    answer = await service.client.put("/v1/journeys/winback", content=json.dumps(body), headers=headers)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert (await marketer.get("/v1/journeys"))["items"] == []


async def test_a_variable_of_no_kind_is_refused_by_path(service: RunningService, marketer: Marketer) -> None:
    await marketer.put("/v1/campaigns/dormant", CAMPAIGN)
    headers = service.headers() | {"Content-Type": "application/json"}
    for value in (float("inf"), None, [1], {"a": 1}):
        body = json.dumps(journey({"key": "a", **SEND, "variables": {"a": value}}))
        answer = await service.client.put("/v1/journeys/winback", content=body, headers=headers)
        assert answer.status_code == 422, answer.text
        assert all(error["field"].startswith("steps.0.variables.a") for error in answer.json()["errors"])


@pytest.mark.parametrize(
    ("method", "path", "body", "field"),
    [
        ("PUT", "/v1/creatives/Bad Key", CREATIVE, "key"),
        ("PUT", "/v1/creatives/a", CREATIVE | {"url": "javascript:alert(1)"}, "url"),
        ("PUT", "/v1/creatives/a", CREATIVE | {"name": "\u0000"}, "name"),
        ("PUT", "/v1/campaigns/a", CAMPAIGN | {"creative_keys": ["nowhere"]}, "creative_keys.0"),
        ("PUT", "/v1/campaigns/a", {"name": "x", "goal": {"event": "x", "window_days": 0}}, "goal.window_days"),
        ("POST", "/v1/campaigns:batchGet", {"keys": []}, "keys"),
        ("POST", "/v1/journeys:batchGet", {"customer_ids": ["x"]}, "customer_ids.0"),
    ],
)
async def test_bad_input_is_named(
    service: RunningService, method: str, path: str, body: dict[str, Any], field: str
) -> None:
    answer = await service.client.request(method, path, json=body, headers=service.headers())
    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/creatives/x"),
        ("GET", "/v1/campaigns/x"),
        ("GET", "/v1/campaigns/x/results"),
        ("POST", "/v1/campaigns/x/results:refresh"),
        ("GET", "/v1/journeys/x"),
        ("POST", "/v1/journeys/x:publish"),
        ("POST", "/v1/journeys/x:pause"),
    ],
)
async def test_what_is_not_there_is_not_found(service: RunningService, method: str, path: str) -> None:
    assert (await service.client.request(method, path, headers=service.headers())).status_code == 404


async def test_reading_needs_less_than_writing(service: RunningService) -> None:
    reader = service.headers("campaign:read")
    assert (await service.client.get("/v1/campaigns", headers=reader)).status_code == 200
    refused = await service.client.put("/v1/campaigns/dormant", json=CAMPAIGN, headers=reader)
    assert refused.status_code == 403


async def test_drafts_are_not_paused_and_published_journeys_keep_their_campaign(
    service: RunningService, marketer: Marketer
) -> None:
    await marketer.put("/v1/campaigns/dormant", CAMPAIGN)
    await marketer.put("/v1/campaigns/other", CAMPAIGN)
    await marketer.put("/v1/journeys/winback", journey())
    assert (await service.client.post("/v1/journeys/winback:pause", headers=service.headers())).status_code == 409
    published = await marketer.post("/v1/journeys/winback:publish")
    assert (published["status"], published["version"], published["published_version"]) == ("published", 1, 1)
    assert await marketer.post("/v1/journeys/winback:publish") == published
    draft = await marketer.put("/v1/journeys/winback", journey(name="Better"))
    assert (draft["status"], draft["version"], draft["published_version"]) == ("published", 2, 1)
    moved = await service.client.put(
        "/v1/journeys/winback", json=journey(campaign_key="other"), headers=service.headers()
    )
    assert moved.status_code == 409


async def test_somebody_elses_draft_is_not_published_along(service: RunningService, marketer: Marketer) -> None:
    await marketer.put("/v1/campaigns/dormant", CAMPAIGN)
    for name in ("Mine", "Theirs"):
        await marketer.put("/v1/journeys/winback", journey(name=name))
    before = await marketer.get("/v1/journeys/winback")
    path, headers = "/v1/journeys/winback:publish", service.headers()
    refused = await service.client.post(path, headers=headers | {"If-Match": '"1"'})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (412, "If-Match")
    assert await marketer.get("/v1/journeys/winback") == before
    published = await service.client.post(path, headers=headers | {"If-Match": '"2"'})
    assert (published.status_code, published.json()["published_version"]) == (200, 2)


async def test_batch_reads_answer_one_entry_per_id_in_order(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    await marketer.set_up(steps=[{"key": "rest", "kind": "wait", "days": 1}])
    known, unknown = uuid4(), uuid4()
    await service.publish([entered(known)])
    await settle()
    asked = [str(unknown), str(known), str(unknown)]
    answer = await marketer.post("/v1/journeys:batchGet", {"customer_ids": asked})
    assert [entry["customer_id"] for entry in answer["customers"]] == asked
    assert [len(entry["journeys"]) for entry in answer["customers"]] == [0, 1, 0]
    (run,) = answer["customers"][1]["journeys"]
    assert (run["journey_name"], run["campaign_key"], run["status"]) == ("Come back", "dormant", "active")
    campaigns = (await marketer.post("/v1/campaigns:batchGet", {"keys": ["nowhere", "dormant"]}))["campaigns"]
    assert [(entry["key"], entry["campaign"] is None) for entry in campaigns] == [("nowhere", True), ("dormant", False)]


async def test_results_of_a_campaign_nobody_was_in(marketer: Marketer) -> None:
    await marketer.put("/v1/campaigns/dormant", CAMPAIGN)
    results = await marketer.get("/v1/campaigns/dormant/results")
    assert results["treatment"]["customers"] == 0
    assert results["lift"]["low"] is None
    assert results["as_of"] is None


def test_the_openapi_document_is_the_committed_one() -> None:
    committed = Path(__file__).parents[2] / "openapi.json"
    assert json.loads(committed.read_text()) == json.loads(openapi_text(Settings, build)), (
        "Write it anew: python -m campaign_service openapi > services/campaign/openapi.json"
    )
