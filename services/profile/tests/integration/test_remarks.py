"""Remarks: read when they arrive and when rules change, asked for in conditions, told per customer and per topic."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.profile.tests.integration.test_signs import BODY, call, publish, settled, shown
from services.profile.tests.profile_facts import event, moved

from contracts.identity import CustomerErased, ResolvedEvent
from contracts.profile import SegmentEntered, SegmentExited, SignDetected
from servicekit.testing import RunningService, tables_that_mention

OURS = {"name": "Kizuna Wash", "kind": "own", "keywords": {"ja": ["キズナウォッシュ"], "en": ["kizuna wash"]}}
THEIRS = {"name": "Rival Wash", "kind": "competitor", "keywords": {"ja": ["ライバル洗"], "any": ["rivalwash"]}}
SPEAKS = {
    "kind": "event_count",
    "event": "Remark Made",
    "comparison": "ge",
    "value": 1,
    "where": [{"property": "topics", "comparison": "contains", "value": "rival-wash"}],
}


def remark(customer: UUID, at: Any, text: str, language: str | None = "ja", **more: Any) -> ResolvedEvent:
    return event(customer, "Remark Made", at, text=text, language=language, url="https://blog.example/1", **more)


async def configure(profile: RunningService) -> None:
    await call(profile, "PUT", "remark-topics/kizuna-wash", OURS, 201)
    await call(profile, "PUT", "remark-topics/rival-wash", THEIRS, 201)
    words = {"positive": {"ja": ["最高"], "en": ["great"]}, "negative": {"ja": ["最低"], "en": ["not great"]}}
    for opinion, each in words.items():
        await call(profile, "PUT", f"remark-opinions/{opinion}", {"words": each}, 201)
    await settled(profile)


async def said(profile: RunningService, customer: UUID, **query: Any) -> list[tuple[str, list[str], str]]:
    body = {"customer_ids": [str(customer)], **query}
    [answer] = (await call(profile, "POST", "remarks:batchGet", body))["customers"]
    return [(each["text"], [topic["key"] for topic in each["topics"]], each["opinion"]) for each in answer["remarks"]]


async def test_a_remark_on_a_competitor_starts_what_signs_start(profile: RunningService) -> None:
    await configure(profile)
    await publish(profile, condition=SPEAKS, name=BODY["name"])
    customer, now = uuid4(), profile.clock.now()
    texts = ["ｷｽﾞﾅｳｫｯｼｭは最高", "ライバル洗も RIVALWASH も最低", "ただの日記"]
    await profile.publish(
        [remark(customer, now - timedelta(hours=n), text, topics=["made-up"]) for n, text in enumerate(texts)]
    )
    await profile.drain()
    assert await said(profile, customer) == [
        (texts[0], ["kizuna-wash"], "positive"),
        (texts[1], ["rival-wash"], "negative"),
        (texts[2], [], "neutral"),
    ]
    assert await said(profile, customer, kinds=["competitor"]) == [(texts[1], ["rival-wash"], "negative")]
    assert await said(profile, customer, topics=["kizuna-wash"], first=1) == [(texts[0], ["kizuna-wash"], "positive")]
    assert await said(profile, customer, topics=["kizuna-wash"], kinds=["competitor"]) == []
    assert await shown(profile, customer) == [["rival"]]
    [detected] = await profile.published(SignDetected)
    assert (detected.customer_id, detected.reason) == (customer, "event")
    body = {"customer_ids": [str(customer)]}
    [line] = (await call(profile, "POST", "timelines:batchGet", body))["customers"]
    assert [each["properties"]["topics"] for each in line["events"]] == [["kizuna-wash"], ["rival-wash"], []]

    days = (await call(profile, "GET", "remark-topics/rival-wash/days"))["days"]
    assert len(days) == 30 and days[-1]["day"] == "2026-11-20"
    assert {name: days[-1][name] for name in ("remarks", "customers", "positive", "negative")} == {
        "remarks": 1,
        "customers": 1,
        "positive": 0,
        "negative": 1,
    }


async def test_all_remarks_are_read_anew_when_the_rules_change(profile: RunningService) -> None:
    await call(profile, "PUT", "segments/speaks", {"name": "s", "condition": SPEAKS}, 201)
    await call(profile, "POST", "segments/speaks:publish")
    now, people = profile.clock.now(), [UUID(int=number) for number in range(1, 8)]
    one, two = people[0], people[1]
    # at one moment too, and more than are read in one transaction
    await profile.publish(
        [remark(each, now - timedelta(days=n % 3), f"RivalWash {n}") for n in range(90) for each in people]
    )
    await profile.publish([moved(two, former=two, to=one, occurred_at=now)])
    await settled(profile)
    assert (await said(profile, one, first=1))[0][1] == []
    await configure(profile)
    assert {tuple(topics) for each in [one, *people[2:]] for _, topics, _ in await said(profile, each, first=100)} == {
        ("rival-wash",)
    }
    entered = await profile.published(SegmentEntered)
    assert {fact.customer_id for fact in entered} == {one, *people[2:]}
    assert {fact.reason for fact in entered} == {"definition"}
    day = (await call(profile, "GET", "remark-topics/rival-wash/days"))["days"][-1]
    assert (day["remarks"], day["customers"]) == (210, 6)
    listed = await call(profile, "GET", "remark-topics")
    assert [each["key"] for each in listed["items"]] == ["kizuna-wash", "rival-wash"] and not listed["is_reading"]

    answer = await profile.client.delete("/v1/remark-topics/rival-wash", headers=profile.headers())
    assert answer.status_code == 204
    await settled(profile)
    assert {fact.customer_id for fact in await profile.published(SegmentExited)} == {one, *people[2:]}
    assert (await said(profile, one, first=1))[0][1] == []
    await call(profile, "GET", "remark-topics/rival-wash", status=404)
    await call(profile, "GET", "remark-topics/rival-wash/days", status=404)


async def test_a_reading_goes_on_where_it_was(profile_at_rest: RunningService) -> None:
    service = profile_at_rest
    await call(service, "PUT", "remark-topics/kizuna-wash", OURS, 201)
    first = await call(service, "PUT", "remark-topics/kizuna-wash", OURS)
    assert first["revision"] == 1
    connection = await service.database.connect()
    assert await connection.fetchval("SELECT generation FROM remark_readings") == 1  # the same again: nothing to do
    await call(service, "PUT", "remark-topics/kizuna-wash", {**OURS, "name": "other"})
    assert await connection.fetchval("SELECT generation FROM remark_readings") == 1  # a name is in no text
    await call(service, "PUT", "remark-topics/kizuna-wash", {**OURS, "exclude": {"en": ["x"]}})
    assert await connection.fetchval("SELECT generation FROM remark_readings") == 2
    await connection.close()


async def test_what_a_customer_said_goes_with_them_and_is_in_their_export(profile: RunningService) -> None:
    await configure(profile)
    customer, now = uuid4(), profile.clock.now()
    await profile.publish([remark(customer, now, "Kanaria-88 キズナウォッシュ")])
    await profile.drain()
    export = await profile.client.get(f"/v1/customers/{customer}/export", headers=profile.headers("privacy:read"))
    [row] = export.json()["tables"]["events"]
    assert row["properties"]["text"] == "Kanaria-88 キズナウォッシュ"
    erased = CustomerErased(
        event_id=uuid4(),
        customer_id=customer,
        anchor_id=customer,
        occurred_at=now,
        erasure_id=uuid4(),
        former_customer_ids=[],
    )
    await profile.publish([erased])
    await settled(profile)
    connection = await profile.database.connect()
    assert await tables_that_mention(connection, ["Kanaria-88"]) == {}
    await connection.close()
    assert await said(profile, customer) == []


async def test_what_is_refused_names_its_field(profile_at_rest: RunningService) -> None:
    refusals = [
        ("remark-topics/x", {**OURS, "keywords": {}}, "keywords"),
        ("remark-topics/x", {**OURS, "keywords": {"ja": []}}, "keywords.ja"),
        ("remark-topics/x", {**OURS, "keywords": {"ja": [" "]}}, "keywords.ja.0"),
        ("remark-topics/x", {**OURS, "keywords": {"Japanese": ["x"]}}, "keywords"),
        ("remark-topics/x", {**OURS, "kind": "mine"}, "kind"),
        ("remark-opinions/mixed", {"words": {}}, "opinion"),
    ]
    for path, body, field in refusals:
        answer = await profile_at_rest.client.put(f"/v1/{path}", json=body, headers=profile_at_rest.headers())
        assert answer.status_code == 422 and field in answer.text
    await call(profile_at_rest, "GET", "remark-opinions/positive", status=404)
    await call(profile_at_rest, "PUT", "remark-topics/x", OURS, 201)
    for query in ("last_day=9999-12-31", "last_day=0001-01-01", "first_day=2020-01-01", "first_day=2026-12-01"):
        await call(profile_at_rest, "GET", f"remark-topics/x/days?{query}", status=422)
