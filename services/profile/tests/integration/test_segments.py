"""Segments over HTTP: versions, references, archive, static lists, overlap, days, estimates, and what is refused."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.profile.tests.profile_facts import event, moved, purchase

from contracts.identity import CustomerErased
from contracts.profile import SegmentEntered, SegmentExited
from profile_service.app import build
from profile_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running

BOUGHT: dict[str, Any] = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
PEOPLE = [UUID(int=number) for number in range(1, 9)]


def asking(key: str) -> dict[str, Any]:
    return {"kind": "segment", "segment": key}


async def put(profile: RunningService, key: str, condition: dict[str, Any] | None, status: int = 201) -> dict[str, Any]:
    body = {"name": key, "kind": "static"} if condition is None else {"name": key, "condition": condition}
    answer = await profile.client.put(f"/v1/segments/{key}", json=body, headers=profile.headers())
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def post(profile: RunningService, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    answer = await profile.client.post(f"/v1/segments{path}", json=body, headers=profile.headers())
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def get(profile: RunningService, path: str, status: int = 200) -> dict[str, Any]:
    answer = await profile.client.get(f"/v1/segments{path}", headers=profile.headers())
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def settled(profile: RunningService, *keys: str) -> list[int]:
    """The sizes, once nobody is evaluated any more."""
    for _ in range(300):
        await profile.drain()
        connection = await profile.database.connect()
        waiting = await connection.fetchval("SELECT count(*) FROM backfills WHERE finished_at IS NULL")
        await connection.close()
        if not waiting:
            return [(await get(profile, f"/{key}"))["size"] for key in keys]
    raise AssertionError("the backfills did not end")


async def members(profile: RunningService, key: str) -> set[UUID]:
    answer = await profile.client.get(f"/v1/customers?segment={key}", headers=profile.headers())
    return {UUID(item["customer_id"]) for item in answer.json()["items"]}


async def test_versions_say_who_and_why_and_are_restored(profile: RunningService) -> None:
    await profile.publish([purchase(person, profile.clock.now(), 1) for person in (*PEOPLE, *PEOPLE[:3])])
    await profile.drain()
    await put(profile, "bought", BOUGHT)
    await post(profile, "/bought:publish", {"why": "the summer sale"})
    await put(profile, "bought", {**BOUGHT, "value": 2}, status=200)
    await post(profile, "/bought:publish")
    assert await settled(profile, "bought") == [3]
    restored = await post(profile, "/bought:restore", {"version": 1})
    assert (restored["version"], restored["condition"]["value"]) == (3, 1)
    assert await settled(profile, "bought") == [8]
    await post(profile, "/bought:restore", {"version": 9}, status=404)
    page = await get(profile, "/bought/versions?first=2")
    rest = await get(profile, f"/bought/versions?after={page['next']}")
    history = [*page["items"], *rest["items"]]
    assert [each["version"] for each in history] == [3, 2, 1] and rest["next"] is None
    assert [each["condition"]["value"] for each in history] == [1, 2, 1]
    assert [each["why"] for each in history] == ["version 1 restored", None, "the summer sale"]
    assert {each["published_by"] for each in history} == {"tester"}


async def test_what_refers_to_a_segment_follows_it_and_circles_are_refused_with_the_path(
    profile: RunningService,
) -> None:
    await profile.publish([purchase(person, profile.clock.now(), 1) for person in (*PEOPLE, *PEOPLE[:3])])
    await profile.drain()
    unknown = await put(profile, "others", {"kind": "not", "condition": asking("bought")}, status=422)
    assert unknown["errors"][0]["field"] == "condition.condition.segment"
    await put(profile, "bought", BOUGHT)
    await post(profile, "/bought:publish")
    for key, condition in (("others", {"kind": "not", "condition": asking("bought")}), ("buyers", asking("bought"))):
        await put(profile, key, condition)
        await post(profile, f"/{key}:publish")
    assert await settled(profile, "bought", "others", "buyers") == [8, 0, 8]
    circle = {"kind": "and", "conditions": [BOUGHT, asking("buyers")]}
    refused = await put(profile, "bought", circle, status=422)
    assert refused["errors"][0]["field"] == "condition.conditions.1.segment"
    assert "bought" in refused["errors"][0]["detail"] and "buyers" in refused["errors"][0]["detail"]
    await put(profile, "bought", {**BOUGHT, "value": 2}, status=200)
    await post(profile, "/bought:publish")
    assert await settled(profile, "bought", "others", "buyers") == [3, 5, 3]
    reasons = {(fact.segment_key, fact.reason) for fact in await profile.published(SegmentEntered)}
    assert reasons == {("bought", "backfill"), ("buyers", "backfill"), ("others", "definition")}


async def test_a_segment_does_not_outgrow_what_refers_to_it(profile: RunningService) -> None:
    await profile.publish([purchase(person, profile.clock.now(), 1) for person in PEOPLE])
    await profile.drain()
    await put(profile, "bought", BOUGHT)
    await post(profile, "/bought:publish")
    await put(profile, "buyers", {"kind": "and", "conditions": [asking("bought")] * 30})
    await post(profile, "/buyers:publish")
    lately = [{**BOUGHT, "window": {"days": days}} for days in range(1, 46)]
    await put(profile, "bought", {"kind": "or", "conditions": lately}, status=200)
    refused = await post(profile, "/bought:publish", status=422)
    assert refused["detail"].startswith("segment buyers refers to it and would not hold"), refused

    async def publish_sign(condition: dict[str, Any]) -> Any:  # httpx's answer
        body = {"name": "s", "meaning": "m", "condition": condition, "strength": "weak", "lifetime_days": 1}
        await profile.client.put("/v1/signs/looking", json=body, headers=profile.headers())
        return await profile.client.post("/v1/signs/looking:publish", headers=profile.headers())

    assert (await publish_sign(BOUGHT)).status_code == 200
    await put(profile, "lookers", {"kind": "and", "conditions": [{"kind": "sign", "sign": "looking"}] * 30})
    await post(profile, "/lookers:publish")
    answer = await publish_sign({"kind": "or", "conditions": lately})
    assert answer.status_code == 422 and "segment lookers" in answer.json()["detail"], answer.text
    assert await settled(profile, "bought", "buyers", "lookers") == [8, 8, 8]
    assert (await get(profile, "/bought"))["is_edited"]


async def test_an_archived_segment_lets_its_members_go_unless_others_need_it(profile: RunningService) -> None:
    await profile.publish([purchase(person, profile.clock.now(), 1) for person in PEOPLE])
    await profile.drain()
    for key, condition in (("bought", BOUGHT), ("buyers", asking("bought"))):
        await put(profile, key, condition)
        await post(profile, f"/{key}:publish")
    await settled(profile)
    needed = await post(profile, "/bought:archive", status=409)
    assert "buyers" in needed["detail"]
    assert (await post(profile, "/buyers:archive"))["status"] == "archived"
    await post(profile, "/bought:archive")
    assert await settled(profile, "bought", "buyers") == [0, 0]
    assert {fact.reason for fact in await profile.published(SegmentExited)} == {"definition"}
    assert len(await profile.published(SegmentExited)) == 16
    await profile.publish([purchase(uuid4(), profile.clock.now(), 1)])
    assert await settled(profile, "bought") == [0]
    await post(profile, "/bought:publish", status=409)
    gone = await put(profile, "others", asking("bought"), status=422)
    assert gone["errors"][0]["field"] == "condition.segment"
    await post(profile, "/bought:unarchive")
    assert await settled(profile, "bought", "buyers") == [9, 0]


async def test_a_static_list_says_what_became_of_each_and_what_asks_for_it_follows(profile: RunningService) -> None:
    now = profile.clock.now()
    await profile.publish([event(person, "Page Viewed", now) for person in PEOPLE])
    await profile.drain()
    assert (await put(profile, "guests", None))["status"] == "published"
    await put(profile, "strangers", {"kind": "not", "condition": asking("guests")})
    await post(profile, "/strangers:publish")
    assert await settled(profile, "guests", "strangers") == [0, 8]
    body = {"customer_ids": [str(PEOPLE[0]), str(PEOPLE[1]), str(uuid4())]}
    outcomes = [each["outcome"] for each in (await post(profile, "/guests:addMembers", body))["results"]]
    again = [each["outcome"] for each in (await post(profile, "/guests:addMembers", body))["results"]]
    assert (outcomes, again) == (["added", "added", "unknown"], ["present", "present", "unknown"])
    assert await settled(profile, "guests", "strangers") == [2, 6]
    body = {"customer_ids": [str(PEOPLE[1]), str(PEOPLE[2])]}
    assert [each["outcome"] for each in (await post(profile, "/guests:removeMembers", body))["results"]] == [
        "removed",
        "absent",
    ]
    assert await members(profile, "guests") == {PEOPLE[0]}
    said = [(fact.segment_key, fact.customer_id) for fact in await profile.published(SegmentExited)]
    assert sorted(said) == [("guests", PEOPLE[1]), ("strangers", PEOPLE[0]), ("strangers", PEOPLE[1])]
    await post(profile, "/strangers:addMembers", body, status=409)
    await post(profile, "/guests:removeMembers", {"customer_ids": []}, status=422)
    by_id = {"kind": "static_list", "segment_id": str(uuid4())}
    assert (await put(profile, "sly", by_id, status=422))["errors"][0]["field"] == "condition"


async def test_a_list_follows_merge_and_split_and_forgets_the_erased(profile: RunningService) -> None:
    now, (member, visitor, cookie, other) = profile.clock.now(), (uuid4(), uuid4(), uuid4(), uuid4())
    await profile.publish(
        [
            event(member, "Page Viewed", now),
            event(visitor, "Page Viewed", now, anchor_id=cookie),
            event(other, "Page Viewed", now),
        ]
    )
    await profile.drain()
    await put(profile, "guests", None)
    await post(profile, "/guests:addMembers", {"customer_ids": [str(visitor), str(other)]})
    await profile.publish([moved(cookie, former=visitor, to=member, occurred_at=now)])
    await profile.drain()
    assert await members(profile, "guests") == {member, other}
    assert await settled(profile, "guests") == [2]
    await profile.publish([moved(cookie, former=member, to=visitor, occurred_at=now, version=2, reason="undo")])
    await profile.drain()
    assert await members(profile, "guests") == {visitor, other}
    await profile.publish([moved(cookie, former=visitor, to=member, occurred_at=now, version=3)])
    await profile.drain()
    body = {"customer_ids": [str(member)]}
    assert (await post(profile, "/guests:removeMembers", body))["results"][0]["outcome"] == "removed"
    await profile.publish([moved(cookie, former=member, to=visitor, occurred_at=now, version=4, reason="split")])
    await profile.drain()
    assert await members(profile, "guests") == {other}
    erased = CustomerErased(
        event_id=uuid4(),
        customer_id=other,
        anchor_id=other,
        occurred_at=now,
        erasure_id=uuid4(),
        former_customer_ids=[],
    )
    await profile.publish([erased])
    assert await settled(profile, "guests") == [0]
    assert (await post(profile, "/guests:addMembers", {"customer_ids": [str(other)]}))["results"][0] == {
        "customer_id": str(other),
        "outcome": "unknown",
    }


async def test_overlaps_and_days_are_exact(profile: RunningService) -> None:
    now = profile.clock.now()
    await profile.publish([event(person, "Page Viewed", now) for person in PEOPLE])
    await profile.drain()
    for key, people in (("a", PEOPLE[:5]), ("b", PEOPLE[3:]), ("c", PEOPLE[:1])):
        await put(profile, key, None)
        await post(profile, f"/{key}:addMembers", {"customer_ids": [str(person) for person in people]})
    pair = await get(profile, ":overlap?a=a&b=b")
    assert pair == {"a": "a", "b": "b", "a_size": 5, "b_size": 5, "both": 2, "only_a": 3, "only_b": 3}
    pairs = (await get(profile, ":overlaps?key=a&key=b&key=c"))["pairs"]
    assert [(each["a"], each["b"], each["both"]) for each in pairs] == [("a", "b", 2), ("a", "c", 1), ("b", "c", 0)]
    await get(profile, ":overlap?a=a&b=a", status=422)
    await get(profile, ":overlap?a=a&b=z", status=404)
    profile.clock.advance(timedelta(days=2))
    await post(profile, "/a:removeMembers", {"customer_ids": [str(PEOPLE[0])]})
    await post(profile, "/a:addMembers", {"customer_ids": [str(PEOPLE[6]), str(PEOPLE[7])]})
    days = (await get(profile, "/a/days?first_day=2026-11-19"))["days"]
    assert [(each["day"], each["size"], each["entered"], each["exited"]) for each in days] == [
        ("2026-11-19", 0, {}, {}),
        ("2026-11-20", 5, {"event": 5}, {}),
        ("2026-11-21", 5, {}, {}),
        ("2026-11-22", 6, {"event": 2}, {"event": 1}),
    ]
    await get(profile, "/a/days?first_day=2020-01-01", status=422)
    await get(profile, "/a/days?last_day=0001-01-01", status=422)


async def test_an_estimate_says_how_far_it_may_be_off(environment: Environment) -> None:
    clock = FrozenClock(profile_start())
    async with running(build, Settings, environment, clock=clock, estimate_sample=100) as profile:
        people = [uuid4() for _ in range(400)]
        await profile.publish([event(person, "Page Viewed", clock.now()) for person in people])
        await profile.publish([purchase(person, clock.now(), 1) for person in people[:120]])
        await profile.drain()
        exact = await post(profile, ":preview", {"condition": BOUGHT})
        assert (exact["count"], exact["low"], exact["high"], exact["share"]) == (120, 120, 120, 0.3)
        assert not exact["is_estimate"]
        estimate = await post(profile, ":preview", {"condition": BOUGHT, "mode": "estimate"})
        assert estimate == await post(profile, ":preview", {"condition": BOUGHT, "mode": "estimate"})
        assert estimate["is_estimate"] and estimate["total"] == 400
        assert estimate["low"] < estimate["count"] < estimate["high"]
        bought = {str(person) for person in people[:120]}
        assert set(estimate["sample"]) <= bought and set(exact["sample"]) <= bought
        assert exact["sample"] == (await post(profile, ":preview", {"condition": BOUGHT}))["sample"]


def profile_start() -> Any:
    from services.profile.tests.integration.conftest import START

    return START


async def test_what_would_read_too_much_is_refused_with_its_estimate(environment: Environment) -> None:
    clock = FrozenClock(profile_start())
    async with running(build, Settings, environment, clock=clock, max_condition_cost=1) as profile:
        await profile.publish([purchase(person, clock.now(), 1) for person in PEOPLE])
        await profile.drain()
        condition = {"kind": "and", "conditions": [{"kind": "trait", "trait": "x", "comparison": "exists"}, BOUGHT]}
        for refused in (
            await post(profile, ":preview", {"condition": condition}, status=422),
            await put(profile, "bought", condition) and await post(profile, "/bought:publish", status=422),
        ):
            [error] = refused["errors"]
            assert "estimated to cost" in error["detail"] and "at most 1 " in error["detail"]
            assert error["field"].startswith("condition")
        await post(profile, ":preview", {"condition": condition, "mode": "estimate"})
        await post(profile, "/bought:publish", {"force": True}, status=403)
        headers = profile.headers("profile:read", "profile:write", "profile:scan")
        forced = await profile.client.post("/v1/segments/bought:publish", json={"force": True}, headers=headers)
        assert forced.status_code == 200
        simple = {"kind": "identifier", "namespace": "email"}
        await put(profile, "bought", simple, status=200)
        published = await profile.client.post("/v1/segments/bought:publish", json={"force": True}, headers=headers)
        assert published.json()["version"] == 2
        refused = await post(profile, "/bought:restore", {"version": 1}, status=422)
        assert "estimated to cost" in refused["errors"][0]["detail"]
        await post(profile, "/bought:restore", {"version": 1, "force": True}, status=403)
        again = {"version": 1, "force": True}
        restored = await profile.client.post("/v1/segments/bought:restore", json=again, headers=headers)
        assert restored.json()["version"] == 3
        body = {"condition": condition, "force": True}
        assert (await profile.client.post("/v1/segments:preview", json=body, headers=headers)).json()["count"] == 0
