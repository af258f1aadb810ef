"""Anchors move: facts move with them, conclusions are drawn anew, and a move back gives everything back."""

from datetime import timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

from services.profile.tests.profile_facts import event, identify, moved, purchase

from contracts.profile import SegmentEntered, SegmentExited
from servicekit.testing import RunningService

TWO_ORDERS = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 2}
SPENT = {"kind": "event_sum", "event": "Order Completed", "property": "revenue", "comparison": "ge", "value": 25}
NO_ORDER = {"kind": "event_count", "event": "Order Completed", "comparison": "eq", "value": 0}


async def _view(profile: RunningService, *customers: UUID) -> list[dict[str, Any]]:
    body = {"customer_ids": [str(customer) for customer in customers]}
    views = (await profile.client.post("/v1/customers:batchGet", json=body, headers=profile.headers())).json()
    lines = (await profile.client.post("/v1/timelines:batchGet", json=body, headers=profile.headers())).json()
    return [
        {
            "traits": {trait["name"]: trait["value"] for trait in view["traits"]},
            "rfm": view["rfm"],
            "rank": view["rank"] and view["rank"]["key"],
            "segments": [segment["key"] for segment in view["segments"]],
            "events": sorted(event["event_id"] for event in line["events"]),
            "total": line["total_count"],
        }
        for view, line in zip(views["customers"], lines["customers"], strict=True)
    ]


async def test_merge_and_undo_give_back_timeline_traits_purchases_rank_and_segments(profile: RunningService) -> None:
    headers, now = profile.headers(), profile.clock.now()
    for key, condition in (("two-orders", TWO_ORDERS), ("no-order", NO_ORDER)):
        body = {"name": key, "condition": condition}
        assert (await profile.client.put(f"/v1/segments/{key}", json=body, headers=headers)).status_code == 201
        assert (await profile.client.post(f"/v1/segments/{key}:publish", headers=headers)).status_code == 200
    ranks = {"ranks": [{"key": "gold", "name": "Gold", "condition": SPENT}]}
    assert (await profile.client.put("/v1/ranks/default", json=ranks, headers=headers)).status_code == 201
    member, visitor, cookie = uuid4(), uuid4(), uuid4()
    await profile.publish(
        [
            identify(member, now - timedelta(days=5), name="会員", city="Tokyo"),
            purchase(member, now - timedelta(days=4), 20),
            purchase(visitor, now - timedelta(days=2), 10, anchor_id=cookie),
            identify(visitor, now - timedelta(days=1), anchor_id=cookie, city="Osaka"),
        ]
    )
    await profile.drain()
    before = await _view(profile, member, visitor)
    assert [view["segments"] for view in before] == [[], []]

    await profile.publish([moved(cookie, former=visitor, to=member, occurred_at=now)])
    await profile.drain()
    merged, gone = await _view(profile, member, visitor)
    assert merged["traits"] == {"name": "会員", "city": "Osaka"}
    assert merged["rfm"]["frequency"] == 2 and merged["rfm"]["monetary"] == "30"
    assert (merged["rank"], merged["segments"]) == ("gold", ["two-orders"])
    assert merged["events"] == sorted(before[0]["events"] + before[1]["events"])
    assert gone == {"traits": {}, "rfm": None, "rank": None, "segments": [], "events": [], "total": 0}
    [entered] = await profile.published(SegmentEntered)
    assert (entered.customer_id, entered.reason) == (member, "move")
    totals = (await profile.client.get("/v1/totals", headers=headers)).json()
    assert (totals["customers"], totals["events"], totals["purchases"]) == (1, 4, 2)

    # late: an event that identity resolved before the merge
    await profile.publish([event(visitor, "Page Viewed", now - timedelta(days=3), anchor_id=cookie)])
    await profile.drain()
    assert [view["total"] for view in await _view(profile, member, visitor)] == [5, 0]

    await profile.publish([moved(cookie, former=member, to=visitor, occurred_at=now, version=2, reason="undo")])
    await profile.drain()
    after = await _view(profile, member, visitor)
    assert after[0] == before[0]
    assert after[1] | {"events": None, "total": None} == before[1] | {"events": None, "total": None}
    assert after[1]["total"] == 3
    exited = await profile.published(SegmentExited)
    # the visitor as well: what others keep of the membership may hang on the cookie
    assert {(fact.customer_id, fact.anchor_id, fact.reason) for fact in exited} == {
        (member, member, "move"),
        (visitor, cookie, "move"),
    }
    assert len(exited) == 2


async def test_segments_after_merges_and_splits_are_those_of_customers_never_merged(profile: RunningService) -> None:
    """Each moved pair has a twin pair with the same facts that nothing ever happens to."""
    client, headers, now, random = profile.client, profile.headers(), profile.clock.now(), Random(5)
    conditions: dict[str, dict[str, Any]] = {
        "two-orders": TWO_ORDERS,
        "no-order": NO_ORDER,
        "lately": {**TWO_ORDERS, "window": {"days": 3}},
        "osaka": {"kind": "trait", "trait": "city", "comparison": "eq", "value": "Osaka"},
        "guests-who-bought": {
            "kind": "and",
            "conditions": [{"kind": "segment", "segment": "guests"}, {"kind": "not", "condition": NO_ORDER}],
        },
        "in-demand": {"kind": "sign", "sign": "demand"},
        "in-demand-lately": {"kind": "sign", "sign": "demand", "detected": {"days": 1}},
    }
    demand = {**TWO_ORDERS, "window": {"days": 5}}
    sign = {"name": "d", "meaning": "d", "condition": demand, "strength": "weak", "lifetime_days": 3}
    assert (await client.put("/v1/signs/demand", json=sign, headers=headers)).is_success
    assert (await client.post("/v1/signs/demand:publish", headers=headers)).is_success
    assert (await client.put("/v1/segments/guests", json={"name": "g", "kind": "static"}, headers=headers)).is_success
    for key, condition in conditions.items():
        body = {"name": key, "condition": condition}
        assert (await client.put(f"/v1/segments/{key}", json=body, headers=headers)).is_success
        assert (await client.post(f"/v1/segments/{key}:publish", headers=headers)).is_success
    moved_pairs, twin_pairs, facts, guests = [], [], list[Any](), list[str]()
    for _ in range(6):
        pair, twins = (uuid4(), uuid4()), (uuid4(), uuid4())
        moved_pairs.append(pair)
        twin_pairs.append(twins)
        for side in (0, 1):
            recipe = [(random.random(), random.randrange(1, 9) + turn / 100) for turn in range(4)]  # no two at once
            is_guest = random.random() < 0.5
            for person in (pair[side], twins[side]):
                facts += [
                    purchase(person, now - timedelta(days=days), 10)
                    if kind < 0.4
                    else identify(person, now - timedelta(days=days), city="Osaka" if kind < 0.7 else "Kobe")
                    for kind, days in recipe
                ]
                guests += [str(person)] if is_guest else []
    await profile.publish(facts)
    await profile.drain()
    added = await client.post("/v1/segments/guests:addMembers", json={"customer_ids": guests}, headers=headers)
    assert {each["outcome"] for each in added.json()["results"]} == {"added"}
    before = await _segments_of(profile, moved_pairs)
    assert before == await _segments_of(profile, twin_pairs)
    await profile.publish([moved(two, former=two, to=one, occurred_at=now) for one, two in moved_pairs])
    await profile.drain()
    merged = await _segments_of(profile, moved_pairs)
    assert merged != before and all(gone == [] for _, gone in merged)
    await profile.publish(
        [moved(two, former=one, to=two, version=2, occurred_at=now, reason="split") for one, two in moved_pairs]
    )
    await profile.drain()
    assert await _segments_of(profile, moved_pairs) == before
    sizes = {row["key"]: row["size"] for row in (await client.get("/v1/segments", headers=headers)).json()["items"]}
    everybody = [keys for pairs in (moved_pairs, twin_pairs) for keys in await _segments_of(profile, pairs)]
    assert sizes == {
        key: sum(key in one for one, _ in everybody) + sum(key in two for _, two in everybody)
        for key in [*conditions, "guests"]
    }


async def _segments_of(profile: RunningService, pairs: list[tuple[UUID, UUID]]) -> list[tuple[list[str], list[str]]]:
    views = await _view(profile, *(person for pair in pairs for person in pair))
    keys = [view["segments"] for view in views]
    return list(zip(keys[::2], keys[1::2], strict=True))
