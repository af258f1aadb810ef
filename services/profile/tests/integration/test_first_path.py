"""From a resolved event to timeline, traits, RFM, rank, segment, and what is published."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import uuid4

from services.profile.tests.profile_facts import event, identify, purchase

from contracts.profile import RankChanged, SegmentEntered, SegmentExited
from servicekit.testing import RunningService

SECOND_MISSING = {
    "kind": "and",
    "conditions": [
        {"kind": "event_count", "event": "Order Completed", "comparison": "eq", "value": 1},
        {"kind": "event_last", "event": "Order Completed", "position": "before", "days": 30},
    ],
}


async def test_an_event_runs_through_to_the_customer_view(profile: RunningService) -> None:
    headers, now, customer = profile.headers(), profile.clock.now(), uuid4()
    created = await profile.client.put(
        "/v1/segments/second-missing", json={"name": "Second missing", "condition": SECOND_MISSING}, headers=headers
    )
    assert created.status_code == 201, created.text
    published = await profile.client.post("/v1/segments/second-missing:publish", headers=headers)
    assert published.status_code == 200, published.text
    ranks = {
        "ranks": [
            {"key": "bronze", "name": "Bronze", "condition": _spent(1)},
            {"key": "gold", "name": "Gold", "condition": _spent(100)},
        ]
    }
    assert (await profile.client.put("/v1/ranks/default", json=ranks, headers=headers)).status_code == 201

    await profile.publish(
        [
            identify(customer, now - timedelta(days=20, hours=1), name="山田 花子", email="hanako@example.com"),
            event(customer, "Page Viewed", now - timedelta(days=20), path="/"),
            purchase(customer, now - timedelta(days=20), 29.33, order_id="1"),
        ]
    )
    await profile.drain()
    answer = await profile.client.post(
        "/v1/customers:batchGet", json={"customer_ids": [str(customer), str(uuid4())]}, headers=headers
    )
    view, unknown = answer.json()["customers"]
    assert [trait["name"] for trait in view["traits"]] == ["email", "name"]
    assert view["rfm"] == {"recency_days": 20, "frequency": 1, "monetary": "29.33", "currency": "USD"}
    assert view["rank"]["key"] == "bronze"
    assert view["segments"] == []
    assert unknown["traits"] == [] and unknown["rfm"] is None and unknown["rank"] is None

    profile.clock.advance(timedelta(days=10))  # nothing happens but time
    [entered] = await _wait_for(profile, SegmentEntered)
    assert (entered.segment_key, entered.reason, entered.customer_id) == ("second-missing", "time", customer)

    await profile.publish([purchase(customer, profile.clock.now(), 80, order_id="2")])
    [exited] = await _wait_for(profile, SegmentExited)
    assert (exited.segment_key, exited.reason) == ("second-missing", "event")
    assert [fact.rank_key for fact in await profile.published(RankChanged)] == ["bronze", "gold"]

    page = await profile.client.post(
        "/v1/timelines:batchGet", json={"customer_ids": [str(customer)], "first": 2}, headers=profile.headers()
    )
    [timeline] = page.json()["customers"]
    assert timeline["total_count"] == 4 and timeline["has_more"]
    assert timeline["events"][0]["properties"] == {"order_id": "2", "revenue": 80}


def _spent(amount: float) -> dict[str, object]:
    return {
        "kind": "event_sum",
        "event": "Order Completed",
        "property": "revenue",
        "comparison": "ge",
        "value": amount,
    }


async def _wait_for(profile: RunningService, kind: type[Any]) -> list[Any]:
    for _ in range(100):
        facts = await profile.published(kind)
        if facts:
            return facts
        await asyncio.sleep(0.05)
    return []
