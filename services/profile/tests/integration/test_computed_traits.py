"""Computed traits over HTTP and NATS: stored, concluded from, read; presets; points."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.profile.tests.profile_facts import event, purchase

from contracts.profile import SegmentEntered, SegmentExited
from servicekit.testing import RunningService

BOUGHT = {"kind": "events", "event": "Order Completed"}
SPENT = {**BOUGHT, "function": "sum", "property": "revenue"}


async def call(profile: RunningService, method: str, path: str, body: Any = None, status: int = 200) -> dict[str, Any]:
    answer = await profile.client.request(method, f"/v1/{path}", json=body, headers=profile.headers())
    assert answer.status_code == status, answer.text
    document: dict[str, Any] = answer.json() if answer.content else {}
    return document


async def put(profile: RunningService, key: str, value: Any, status: int = 201) -> dict[str, Any]:
    return await call(profile, "PUT", f"computed-traits/{key}", {"name": key, "value": value}, status)


async def settled(profile: RunningService) -> None:
    for _ in range(300):
        await profile.drain()
        connection = await profile.database.connect()
        waiting = await connection.fetchval("SELECT count(*) FROM backfills WHERE finished_at IS NULL")
        await connection.close()
        if not waiting:
            await profile.drain()
            return
    raise AssertionError("it did not end")


async def views(profile: RunningService, *customers: UUID) -> list[dict[str, Any]]:
    body = {"customer_ids": [str(customer) for customer in customers]}
    answer = await call(profile, "POST", "customers:batchGet", body)
    found: list[dict[str, Any]] = answer["customers"]
    return found


async def test_a_computed_trait_is_read_asked_for_and_followed_when_it_changes(profile: RunningService) -> None:
    created = await put(profile, "spent", SPENT)
    assert created["version"] == 1
    condition = {"kind": "value", "of": {"kind": "computed", "key": "spent"}, "comparison": "ge", "value": 100}
    await call(profile, "PUT", "segments/great", {"name": "Great", "condition": condition}, 201)
    await call(profile, "POST", "segments/great:publish")
    await settled(profile)
    rich, poor, now = uuid4(), uuid4(), profile.clock.now()
    await profile.publish(
        [purchase(rich, now, 80), purchase(rich, now - timedelta(days=3), 30.5), purchase(poor, now, 60)]
    )
    await profile.drain()
    [entered] = await profile.published(SegmentEntered)
    assert (entered.customer_id, entered.reason) == (rich, "event")
    of_rich, of_poor, of_nobody = await views(profile, rich, poor, uuid4())
    assert (of_rich["computed"], of_poor["computed"]) == ({"spent": 110.5}, {"spent": 60})
    assert of_nobody["computed"] == {"spent": 0}
    body = {"customer_ids": [str(rich)], "names": ["spent", "plan"]}
    [named] = (await call(profile, "POST", "traits:batchGet", body))["customers"]
    assert named["traits"] == {"spent": 110.5}
    [everything] = (await call(profile, "POST", "traits:batchGet", {"customer_ids": [str(rich)]}))["customers"]
    assert everything["traits"] == {}

    changed = await put(profile, "spent", {"kind": "multiply", "of": [SPENT, {"kind": "constant", "value": 2}]}, 200)
    assert changed["version"] == 2
    await settled(profile)
    facts = await profile.published(SegmentEntered)
    assert [(fact.customer_id, fact.reason) for fact in facts] == [(rich, "event"), (poor, "definition")]
    await put(profile, "spent", {**SPENT, "window": {"days": 1}}, 200)
    await settled(profile)
    exited = {(fact.customer_id, fact.reason) for fact in await profile.published(SegmentExited)}
    assert exited == {(rich, "definition"), (poor, "definition")}


async def test_what_is_wrong_is_refused_with_its_path(profile_at_rest: RunningService) -> None:
    profile = profile_at_rest

    async def refused(key: str, value: Any) -> list[dict[str, str]]:
        errors: list[dict[str, str]] = (await put(profile, key, value, 422))["errors"]
        return errors

    of_b = {"kind": "computed", "key": "b"}
    await put(profile, "b", SPENT)
    await put(profile, "a", {"kind": "add", "of": [of_b, {"kind": "constant", "value": 1}]})
    [error] = await refused("b", {"kind": "least", "of": [SPENT, {"kind": "computed", "key": "a"}]})
    assert error["field"] == "value.of.1.key"
    assert "computed b -> computed a -> computed b" in error["detail"]
    [error] = await refused("c", {"kind": "round_down", "of": {**BOUGHT, "function": "last"}})
    assert error["field"] == "value.of"
    [error] = await refused("c", {"kind": "computed", "key": "nothing"})
    assert error["field"] == "value.key"
    wrong = {"property": "gift", "comparison": "lt", "value": True}
    for rule, field in (
        ({"event": "A", "where": [wrong]}, "where.0.comparison"),
        ({"event": "A", "valid": [{"days": 1}, {"calendar": "year", "zone": "Mars"}]}, "valid.1.zone"),
    ):
        body = {"name": "p", "points": {"rules": [{"event": "B"}, rule]}}
        [error] = (await call(profile, "PUT", "computed-traits/p", body, 422))["errors"]
        assert error["field"] == f"points.rules.1.{field}"
    answer = await put(profile, "b", {**BOUGHT, "function": "most_frequent", "property": "category"}, 422)
    assert "computed a refers to it" in answer["detail"]  # it would add 1 to a text
    refusal = await call(profile, "DELETE", "computed-traits/b", status=409)
    assert "computed a" in refusal["detail"]
    await call(profile, "DELETE", "computed-traits/a", status=204)
    await call(profile, "DELETE", "computed-traits/b", status=204)
    await call(profile, "GET", "computed-traits/b", status=404)


async def test_the_presets_can_be_put_and_come_to_what_they_say(profile: RunningService) -> None:
    presets = (await call(profile, "GET", "computed-traits:presets"))["items"]
    for preset in presets:
        body = {name: preset[name] for name in ("name", "description", "unit", "value")}
        await call(profile, "PUT", f"computed-traits/{preset['key']}", body, 201)
        assert preset["source"]
    await call(profile, "PUT", "remark-opinions/positive", {"words": {"en": ["love"]}}, 201)
    fan, hunter, now = uuid4(), uuid4(), profile.clock.now()
    day = timedelta(days=1)
    await profile.publish(
        [
            purchase(fan, now - 2 * day, 10, category="shoes"),
            purchase(fan, now - 3 * day, 20, category="hats"),
            purchase(fan, now - 4 * day, 30, category="hats"),
            event(fan, "Email Opened", now),
            *(event(fan, "Referral Converted", now - n * day) for n in range(4)),
            event(fan, "Remark Made", now - day, text="I love it", language="en"),
            event(fan, "Survey Answered", now - day, nps_score=9),
            *(event(hunter, "Campaign Entered", now - n * day) for n in range(6)),
            event(hunter, "Survey Answered", now - day, nps_score=10),
            event(hunter, "Survey Answered", now, nps_score=3),
        ]
    )
    await profile.drain()
    of_fan, of_hunter = (view["computed"] for view in await views(profile, fan, hunter))
    assert of_fan == {
        "advocate-score": 90,  # 60 of 80 + 10 + 20
        "days-since-purchase": 2,
        "favourite-category": "hats",
        "lifetime-value": 60,
        "usual-hour": 12,
    }
    assert of_hunter == {"advocate-score": 0, "lifetime-value": 0, "one-off-score": 75}


async def test_points_are_said_as_rules(profile: RunningService) -> None:
    rules = [
        {"event": "Order Completed", "amount_of": "revenue", "per": 100, "points": 1.5, "valid": [{"days": 365}]},
        {"event": "Review Written", "points": 50},
    ]
    body = {"name": "Points", "unit": "points", "points": {"rules": rules}}
    await call(profile, "PUT", "computed-traits/points", body, 201)
    customer, now = uuid4(), profile.clock.now()
    await profile.publish([purchase(customer, now, 250), event(customer, "Review Written", now)])
    await profile.drain()
    [view] = await views(profile, customer)
    assert view["computed"] == {"points": 53}  # 1.5 for each whole hundred, and a review
    profile.clock.set(now + timedelta(days=365))
    [view] = await views(profile, customer)
    assert view["computed"] == {"points": 50}
    refusal = await call(profile, "PUT", "computed-traits/points", {**body, "value": SPENT}, 422)
    assert refusal["errors"][0]["field"] == "value"
