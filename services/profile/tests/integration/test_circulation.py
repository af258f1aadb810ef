"""Circulation: what a department gave, who else used it, in which segments, with which result; each counted once."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from services.profile.tests.integration.test_signs import settled
from services.profile.tests.profile_facts import event, identify, purchase, source_changed

from contracts.identity import IdentifierLinked
from servicekit.testing import RunningService

ONE, TWO = UUID(int=1), UUID(int=2)
GOLD_BUYERS = {
    "kind": "and",
    "conditions": [
        {"kind": "trait", "trait": "plan", "comparison": "eq", "value": "gold"},
        {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1},
    ],
}


def headers(profile: RunningService, department: str) -> dict[str, str]:
    token = profile.token("profile:read", "profile:write", "circulation:read", department=department)
    return {"Authorization": f"Bearer {token}"}


async def report(profile: RunningService, **query: Any) -> Any:
    answer = await profile.client.get("/v1/circulation", params=query, headers=headers(profile, "it"))
    assert answer.status_code == 200, answer.text
    return answer.json()


async def written(profile: RunningService, readers: int) -> Any:
    """The report once so many kinds of use have been written."""
    for _ in range(300):
        found = await report(profile)
        if len(found["used"]) >= readers:
            return found
        await profile.drain()
    raise AssertionError(found)


async def test_what_one_department_gives_others_use(profile: RunningService) -> None:
    client, now = profile.client, profile.clock.now()
    linked = IdentifierLinked(
        event_id=UUID(int=9), customer_id=ONE, anchor_id=ONE, occurred_at=now, namespace="email", value="x",
        source_id="crm", rule="first_seen",
    )  # fmt: skip
    await profile.publish([source_changed("shop", "sales", now), source_changed("crm", "crm", now)])
    await profile.drain()
    orders = [purchase(each, now - timedelta(minutes=n), 10) for n, each in enumerate([ONE, ONE, TWO])]
    facts = [*orders, identify(ONE, now, plan="gold"), event(ONE, "Page Viewed", now, source_id="somewhere"), linked]
    await profile.publish(facts)
    await profile.publish(facts)  # delivered again
    await profile.drain()

    found = await report(profile, step="day")
    given = {(each["department"], each["kind"]): each["count"] for each in found["given"]}
    assert given == {
        ("sales", "event"): 3, ("crm", "event"): 1, ("crm", "trait"): 1, ("crm", "identifier"): 1, (None, "event"): 1,
    }  # fmt: skip
    assert {each["begins_on"] for each in found["given"]} == {"2026-11-20"}
    assert {each["begins_on"] for each in (await report(profile))["given"]} == {"2026-11-01"}

    body = {"name": "Gold buyers", "condition": GOLD_BUYERS}
    await client.put("/v1/segments/gold", json=body, headers=headers(profile, "ads"))
    await client.post("/v1/segments/gold:publish", headers=headers(profile, "ads"))
    await settled(profile)
    people = {"customer_ids": [str(ONE), str(TWO)]}
    for _ in range(2):
        await client.post("/v1/timelines:batchGet", json=people, headers=headers(profile, "ads"))
    await client.post("/v1/traits:batchGet", json=people, headers=headers(profile, "ads"))
    await client.get("/v1/customers?segment=gold", headers=headers(profile, "crm"))
    await client.get(f"/v1/customers/{ONE}/traits/plan", headers=headers(profile, "ec"))
    why = {**people, "names": ["plan", "none"]}
    await client.post("/v1/trait-observations:batchGet", json=why, headers=headers(profile, "ec"))
    found = await written(profile, 6)
    used = {(each["reader"], each["giver"], each["kind"]): each["count"] for each in found["used"]}
    assert used == {
        ("ads", "sales", "event"): 6, ("ads", "crm", "event"): 2, ("ads", None, "event"): 2, ("ads", "crm", "trait"): 1,
        ("crm", "ads", "segment"): 1, ("ec", "crm", "trait"): 2,
    }  # fmt: skip
    [segment] = found["segments"]
    assert segment == {
        "key": "gold", "name": "Gold buyers", "department": "ads", "drawn_from": ["crm", "sales"], "entered": 1,
    }  # fmt: skip
    assert found["results"] is None

    later = now + timedelta(hours=1)
    profile.clock.set(later)
    await profile.publish([
        event(ONE, "Message Sent", later, source_id="kizuna-delivery"),
        purchase(ONE, later, 30.5),
        purchase(TWO, later, 99),
    ])  # fmt: skip
    await profile.drain()
    results = (await report(profile, segment="gold"))["results"]
    assert (results["members"], results["is_too_large"]) == (1, False)
    assert results["links_clicked"] == {"events": 0, "customers": 0, "revenue": "0"}
    assert results["messages_sent"] == {"events": 1, "customers": 1, "revenue": "0"}
    assert results["purchases"] == {"events": 1, "customers": 1, "revenue": "30.5"}


async def test_a_list_belongs_to_the_department_that_made_it(profile_at_rest: RunningService) -> None:
    body = {"kind": "static", "name": "Guests"}
    made = await profile_at_rest.client.put("/v1/segments/guests", json=body, headers=headers(profile_at_rest, "crm"))
    assert made.status_code == 201
    [segment] = (await report(profile_at_rest))["segments"]
    assert (segment["key"], segment["department"], segment["drawn_from"]) == ("guests", "crm", [])


async def test_bad_questions_name_their_field(profile_at_rest: RunningService) -> None:
    client, asker = profile_at_rest.client, headers(profile_at_rest, "it")
    for query, field in (
        ({"from": "2026-01-02", "until": "2026-01-01"}, "from"),
        ({"from": "2000-01-01", "until": "2026-01-01"}, "from"),
        ({"until": "0001-01-01"}, "until"),
        ({"step": "year"}, "step"),
    ):
        answer = await client.get("/v1/circulation", params=query, headers=asker)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, field)
    assert (await client.get("/v1/circulation?segment=x", headers=asker)).status_code == 404
    assert (await client.get("/v1/circulation", headers=profile_at_rest.headers())).status_code == 403
