"""Through NATS and REST: whose word a trait is, why it won, what follows when the policy or the source changes."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.profile.tests.profile_facts import event, identify, moved, purchase, source_changed

from contracts.delivery import MessageSent
from contracts.profile import SegmentEntered, SegmentExited
from servicekit.testing import RunningService

GOLD = {"kind": "trait", "trait": "plan", "comparison": "eq", "value": "gold"}


async def _put_trait(profile: RunningService, name: str, **body: Any) -> dict[str, Any]:
    answer = await profile.client.put(f"/v1/traits/{name}", json=body, headers=profile.headers())
    assert answer.status_code in {200, 201}, answer.text
    return await _folded(profile, name)


async def _folded(profile: RunningService, name: str) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            definition: dict[str, Any] = (
                await profile.client.get(f"/v1/traits/{name}", headers=profile.headers())
            ).json()
            if definition["status"] == "folded":
                return definition
            await asyncio.sleep(0.02)


async def _publish_segment(profile: RunningService, key: str, condition: dict[str, Any]) -> None:
    headers = profile.headers()
    await profile.client.put(f"/v1/segments/{key}", json={"name": key, "condition": condition}, headers=headers)
    answer = await profile.client.post(f"/v1/segments/{key}:publish", headers=headers)
    assert answer.status_code == 200, answer.text


async def _traits(profile: RunningService, *customers: UUID) -> list[dict[str, Any]]:
    body = {"customer_ids": [str(customer) for customer in customers]}
    answer = await profile.client.post("/v1/traits:batchGet", json=body, headers=profile.headers())
    return [each["traits"] for each in answer.json()["customers"]]


async def _why(profile: RunningService, customer: UUID, name: str) -> dict[str, Any]:
    answer = await profile.client.get(f"/v1/customers/{customer}/traits/{name}", headers=profile.headers())
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def _reasons(why: dict[str, Any]) -> list[tuple[Any, str, str | None]]:
    return [(each["value"], each["source_id"], each["lost_because"]) for each in why["observations"]]


async def test_a_word_belongs_to_the_department_its_source_had_then_whatever_came_first(
    profile: RunningService,
) -> None:
    customer, now = uuid4(), profile.clock.now()
    sent = MessageSent(
        event_id=uuid4(), customer_id=customer, anchor_id=customer, occurred_at=now, message_id=uuid4(),
        run_id=None, campaign_key=None, channel="email", template_key="hello",
    )  # fmt: skip
    facts = [
        identify(customer, now - timedelta(days=9), source_id="desk", city="東京"),
        identify(customer, now - timedelta(days=3), source_id="desk", plan="gold"),
        purchase(customer, now - timedelta(days=2), 10, source_id="till"),
    ]
    await profile.publish([*facts, sent])
    await profile.drain()
    later = source_changed("desk", "marketing", now - timedelta(days=4), version=2, brand="other")
    await profile.publish([later, source_changed("desk", "stores", now - timedelta(days=5))])
    await profile.drain()
    body = {"customer_ids": [str(customer)]}
    [view] = (await profile.client.post("/v1/customers:batchGet", json=body, headers=profile.headers())).json()[
        "customers"
    ]
    assert [
        (each["name"], each["source_id"], each["department"], each["brand"], each["legal_entity"])
        for each in view["traits"]
    ] == [
        ("city", "desk", "stores", "kizuna", "stores K.K."),
        ("plan", "desk", "marketing", "other", "marketing K.K."),
    ]
    [values] = (await profile.client.post("/v1/traits:batchGet", json=body, headers=profile.headers())).json()[
        "customers"
    ]
    assert values["provenance"]["city"]["department"] == "stores"
    assert values["provenance"]["plan"]["observed_at"] == "2026-11-17T03:00:00Z"
    [line] = (await profile.client.post("/v1/timelines:batchGet", json=body, headers=profile.headers())).json()[
        "customers"
    ]
    assert [(each["name"], each["department"]) for each in line["events"]] == [
        ("Message Sent", None),
        ("Order Completed", None),
        ("Identified", "marketing"),
        ("Identified", "stores"),
    ]


async def test_a_policy_is_followed_by_everybody_and_by_their_segments(profile: RunningService) -> None:
    await _publish_segment(profile, "gold", GOLD)
    now = profile.clock.now()
    trusting, plain, newcomer = uuid4(), uuid4(), uuid4()
    await profile.publish([source_changed("crm", "sales", now), source_changed("shop", "ec", now)])
    await profile.publish(
        [
            identify(trusting, now - timedelta(days=2), source_id="crm", plan="gold"),
            identify(trusting, now - timedelta(days=1), source_id="shop", plan="free"),
            identify(plain, now - timedelta(days=2), source_id="shop", plan="gold"),
        ]
    )
    await profile.drain()
    assert await _traits(profile, trusting, plain) == [{"plan": "free"}, {"plan": "gold"}]
    definition = await _put_trait(profile, "plan", policy="most_trusted", trusted=[{"department": "sales"}])
    assert (definition["revision"], definition["refolded"]) == (1, 2)
    assert await _traits(profile, trusting, plain) == [{"plan": "gold"}, {"plan": "gold"}]
    why = await _why(profile, trusting, "plan")
    assert (why["value"], why["policy"]) == ("gold", "most_trusted")
    assert _reasons(why) == [("free", "shop", "less_trusted"), ("gold", "crm", None)]
    assert [each["department"] for each in why["observations"]] == ["ec", "sales"]
    await profile.publish(
        [
            identify(newcomer, now - timedelta(hours=2), source_id="crm", plan="gold"),
            identify(newcomer, now - timedelta(hours=1), source_id="shop", plan="free"),
        ]
    )
    await profile.drain()
    assert await _traits(profile, newcomer) == [{"plan": "gold"}]
    # the shop comes to sales, and was theirs from the start: now both are trusted alike, and the latest wins
    await profile.publish([source_changed("shop", "sales", now - timedelta(days=9), version=0)])
    await profile.drain()
    await _folded(profile, "plan")
    assert await _traits(profile, trusting, plain, newcomer) == [{"plan": "free"}, {"plan": "gold"}, {"plan": "free"}]
    said = [
        (type(fact), fact.customer_id, fact.reason)
        for kind in (SegmentEntered, SegmentExited)
        for fact in await profile.published(kind)
    ]
    assert said == [
        (SegmentEntered, plain, "event"),
        (SegmentEntered, trusting, "definition"),
        (SegmentEntered, newcomer, "event"),
        (SegmentExited, trusting, "definition"),
        (SegmentExited, newcomer, "definition"),
    ]
    gone = await profile.client.delete("/v1/traits/plan", headers=profile.headers())
    assert gone.status_code == 204
    assert (await profile.client.get("/v1/traits/plan", headers=profile.headers())).status_code == 404


async def test_why_each_word_lost(profile: RunningService) -> None:
    customer, now = uuid4(), profile.clock.now()

    def say(days: int, source_id: str, **traits: Any) -> Any:
        return identify(customer, now - timedelta(days=days), source_id=source_id, **traits)

    await profile.publish(
        [
            say(9, "a", points=7, tags=["x", "y"]),
            say(8, "b", points=9, tags=["z", "x"]),
            say(7, "c", points="many", tags="w"),
            say(6, "d", points=None, tags=None),
            say(5, "a", points=8),
        ]
    )
    await profile.drain()
    assert _reasons(await _why(profile, customer, "points"))[0] == (8, "a", None)
    await _put_trait(profile, "points", policy="max", type="number")
    await _put_trait(profile, "tags", policy="union")
    assert await _traits(profile, customer) == [{"points": 9, "tags": ["x", "y", "z", "w"]}]
    assert _reasons(await _why(profile, customer, "points")) == [
        (8, "a", "smaller"),
        (None, "d", "says_nothing"),
        ("many", "c", "other_type"),
        (9, "b", None),
        (7, "a", "corrected"),
    ]
    assert [reason for _, _, reason in _reasons(await _why(profile, customer, "tags"))] == [
        "says_nothing",
        None,
        None,
        None,
    ]
    connection = await profile.database.connect()  # as it is with what was kept before it was noted when it came
    await connection.execute("UPDATE trait_observations SET received_at = DEFAULT WHERE source_id <> 'a'")
    await connection.close()
    page = f"/v1/customers/{customer}/traits/points?first=2"
    seen, after = [], ""
    while True:
        part = (await profile.client.get(page + after, headers=profile.headers())).json()
        seen += [each["value"] for each in part["observations"]]
        if not part["has_more"]:
            break
        after = f"&after={part['observations'][-1]['cursor']}"
    assert seen == [8, None, "many", 9, 7]


async def test_a_correction_of_the_same_moment_wins_by_when_it_was_received(profile: RunningService) -> None:
    customer, now = uuid4(), profile.clock.now()
    moment = now - timedelta(days=1)
    words = [("first", 0), ("third", 2), ("second", 1)]
    for value, minute in words:
        received_at = now + timedelta(minutes=minute)
        await profile.publish([identify(customer, moment, source_id="crm", received_at=received_at, city=value)])
    await profile.drain()
    assert await _traits(profile, customer) == [{"city": "third"}]
    assert _reasons(await _why(profile, customer, "city")) == [
        ("third", "crm", None),
        ("second", "crm", "corrected"),
        ("first", "crm", "corrected"),
    ]


async def test_merge_and_split_give_back_what_each_policy_made(profile: RunningService) -> None:
    now = profile.clock.now()
    await _put_trait(profile, "points", policy="max", type="number")
    await _put_trait(profile, "tags", policy="union")
    member, visitor, cookie = uuid4(), uuid4(), uuid4()
    await profile.publish([source_changed("crm", "sales", now), source_changed("shop", "ec", now)])
    await profile.publish(
        [
            identify(member, now - timedelta(days=3), source_id="crm", points=3, tags=["a"], city="東京"),
            identify(
                visitor, now - timedelta(days=2), anchor_id=cookie, points=5, tags=["b"], city="大阪", source_id="shop"
            ),
            identify(member, now - timedelta(days=1), source_id="shop", points=2, tags=["c"]),
        ]
    )
    await profile.drain()
    before = await _traits(profile, member, visitor)
    assert before == [
        {"points": 3, "tags": ["a", "c"], "city": "東京"},
        {"points": 5, "tags": ["b"], "city": "大阪"},
    ]
    await profile.publish([moved(cookie, former=visitor, to=member, occurred_at=now)])
    await profile.drain()
    # the shop speaks of one customer now: its latest word counts
    assert await _traits(profile, member, visitor) == [{"points": 3, "tags": ["a", "c"], "city": "大阪"}, {}]
    await profile.publish([event(visitor, "Page Viewed", now, anchor_id=cookie)])
    await profile.publish([moved(cookie, former=member, to=visitor, occurred_at=now, version=2, reason="undo")])
    await profile.drain()
    assert await _traits(profile, member, visitor) == before
