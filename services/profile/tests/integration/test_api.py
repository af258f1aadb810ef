"""Segments, ranks, previews and lists over HTTP: idempotent, versioned, refused with the field named."""

from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.profile.tests.profile_facts import event, identify, purchase

from servicekit.testing import RunningService

BOUGHT = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
SEGMENT = {"name": "Bought", "condition": BOUGHT}


async def test_a_segment_is_put_edited_and_published(profile: RunningService) -> None:
    client, headers = profile.client, profile.headers()
    created = await client.put("/v1/segments/bought", json=SEGMENT, headers=headers)
    assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
    assert created.json()["status"] == "draft" and created.json()["condition"]["value"] == 1
    again = await client.put("/v1/segments/bought", json=SEGMENT, headers=headers)
    assert (again.status_code, again.headers["ETag"]) == (200, '"1"')
    edited = {"name": "Bought twice", "condition": {**BOUGHT, "value": 2}}
    stale = await client.put("/v1/segments/bought", json=edited, headers={**headers, "If-Match": '"7"'})
    assert stale.status_code == 412
    fresh = await client.put("/v1/segments/bought", json=edited, headers={**headers, "If-Match": '"1"'})
    assert (fresh.status_code, fresh.headers["ETag"]) == (200, '"2"')

    await profile.publish([purchase(UUID(int=number), profile.clock.now(), 5) for number in (1, 1, 2)])
    await profile.drain()
    first = await client.post("/v1/segments/bought:publish", headers={**headers, "Idempotency-Key": "p1"})
    replayed = await client.post("/v1/segments/bought:publish", headers={**headers, "Idempotency-Key": "p1"})
    repeated = await client.post("/v1/segments/bought:publish", headers=headers)
    assert [each.json()["version"] for each in (first, replayed, repeated)] == [1, 1, 1]
    segment = await _when_published(profile, "bought")
    assert (segment["size"], segment["evaluated"], segment["is_edited"]) == (1, 2, False)
    listed = (await client.get("/v1/segments", headers=headers)).json()
    assert [each["key"] for each in listed["items"]] == ["bought"]
    assert (await client.get("/v1/segments/unknown", headers=headers)).status_code == 404
    assert (await client.post("/v1/segments/unknown:publish", headers=headers)).status_code == 404


async def _when_published(profile: RunningService, key: str) -> dict[str, Any]:
    for _ in range(200):
        answer: dict[str, Any] = (await profile.client.get(f"/v1/segments/{key}", headers=profile.headers())).json()
        if answer["status"] == "published":
            return answer
        await profile.drain()
    raise AssertionError("the backfill did not end")


async def test_members_and_customers_are_listed_in_pages(profile: RunningService) -> None:
    client, headers, now = profile.client, profile.headers(), profile.clock.now()
    await client.put("/v1/segments/bought", json=SEGMENT, headers=headers)
    await client.post("/v1/segments/bought:publish", headers=headers)
    people = [UUID(int=number) for number in range(1, 8)]
    await profile.publish([event(person, "Page Viewed", now) for person in people])
    await profile.publish([purchase(person, now, 1) for person in people[::2]])
    await profile.drain()
    for path, expected in (("/v1/customers?first=3", people), ("/v1/customers?segment=bought&first=3", people[::2])):
        seen: list[str] = []
        after = ""
        while True:
            page = (await client.get(path + after, headers=headers)).json()
            seen += [item["customer_id"] for item in page["items"]]
            assert page["total_count"] == len(expected)
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert seen == [str(person) for person in expected]


async def test_timelines_of_many_customers_page_by_cursor(profile: RunningService) -> None:
    now, one, two = profile.clock.now(), UUID(int=1), UUID(int=2)
    facts = [event(one, "Page Viewed", now - timedelta(minutes=number // 2), number=number) for number in range(7)]
    await profile.publish([*facts, event(two, "Page Viewed", now)])
    await profile.drain()
    expected = [str(fact.event_id) for fact in sorted(facts, key=lambda f: (f.occurred_at, f.event_id), reverse=True)]
    seen: list[str] = []
    body: dict[str, Any] = {"customer_ids": [str(one), str(two), str(uuid4())], "first": 3}
    while True:
        answer = await profile.client.post("/v1/timelines:batchGet", json=body, headers=profile.headers())
        first, second, unknown = answer.json()["customers"]
        assert (first["total_count"], unknown["events"], unknown["total_count"]) == (7, [], 0)
        if "after" not in body:
            assert (len(second["events"]), second["has_more"]) == (1, False)
        seen += [each["event_id"] for each in first["events"]]
        if not first["has_more"]:
            break
        body["after"] = first["events"][-1]["cursor"]
    assert seen == expected


async def test_a_preview_counts_without_keeping_anything(profile: RunningService) -> None:
    now = profile.clock.now()
    await profile.publish([purchase(UUID(int=number), now, 1) for number in range(1, 15)])
    await profile.publish([identify(UUID(int=20), now, plan="gold")])
    await profile.drain()
    for condition, count in (
        (BOUGHT, 14),
        ({"kind": "not", "condition": BOUGHT}, 1),
        ({"kind": "trait", "trait": "plan", "comparison": "eq", "value": "gold"}, 1),
    ):
        answer = await profile.client.post(
            "/v1/segments:preview", json={"condition": condition}, headers=profile.headers()
        )
        assert (answer.json()["count"], answer.json()["total"]) == (count, 15)
        assert len(answer.json()["sample"]) == min(count, 10)


def _deep(levels: int) -> dict[str, Any]:
    tree: dict[str, Any] = BOUGHT
    for _ in range(levels):
        tree = {"kind": "not", "condition": tree}
    return tree


REFUSED: list[tuple[str, str, Any, str | None]] = [
        ("PUT", "/v1/segments/x", {**SEGMENT, "colour": "red"}, "colour"),
        ("PUT", "/v1/segments/X!", SEGMENT, "key"),
        ("PUT", "/v1/segments/x", {**SEGMENT, "name": "\0"}, "name"),
        ("PUT", "/v1/segments/x", {**SEGMENT, "condition": {"kind": "magic"}}, "condition"),
        ("PUT", "/v1/segments/x", {**SEGMENT, "kind": "static"}, "condition"),
        ("PUT", "/v1/segments/x", {"name": "no condition"}, "condition"),
        ("PUT", "/v1/segments/x", {**SEGMENT, "condition": {**BOUGHT, "where": [
            {"property": "gift", "comparison": "eq", "value": {"a": 1}}]}}, "condition.where.0.value"),
        ("PUT", "/v1/segments/x", {**SEGMENT, "condition": {**BOUGHT, "window": {"start": None}}}, "condition.window"),
        ("PUT", "/v1/segments/x", {**SEGMENT, "condition": {**BOUGHT, "value": 10**30}}, "condition.value"),
        ("PUT", "/v1/segments/x", {**SEGMENT, "condition": {**BOUGHT, "event": "a\0"}}, "condition.event"),
        ("PUT", "/v1/segments/x", {**SEGMENT, "condition": _deep(13)}, "condition" + ".condition" * 12),
        ("PUT", "/v1/segments/x", {**SEGMENT, "condition": _deep(400)}, None),
        ("POST", "/v1/segments:preview", {"condition": {**BOUGHT, "where": [
            {"property": "gift", "comparison": "lt", "value": True}]}}, "condition.where.0.comparison"),
        ("PUT", "/v1/ranks/default", {"ranks": []}, "ranks"),
        ("PUT", "/v1/ranks/default", {"ranks": [{"key": "a", "name": "A", "condition": BOUGHT}] * 2}, "ranks.1.key"),
        ("POST", "/v1/customers:batchGet", {"customer_ids": []}, "customer_ids"),
        ("POST", "/v1/customers:batchGet", {"customer_ids": ["x"]}, "customer_ids.0"),
        ("POST", "/v1/customers:batchGet", {"customer_ids": [str(UUID(int=1))] * 1001}, "customer_ids"),
        ("POST", "/v1/timelines:batchGet", {"customer_ids": [str(UUID(int=1))], "after": "nonsense"}, "after"),
        ("POST", "/v1/timelines:batchGet", {"customer_ids": [str(UUID(int=1))], "first": 0}, "first"),
        ("POST", "/v1/traits:batchGet", {"customer_ids": [str(UUID(int=1))], "names": ["\0"]}, "names.0"),
        ("POST", "/v1/conversions:batchGet", {"event": "A", "windows": [{"key": "\0", "customer_id": str(UUID(int=1)),
            "from": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}]}, "windows.0"),
        ("POST", "/v1/conversions:batchGet", {"event": "A", "windows": [{"key": "k", "customer_id": str(UUID(int=1)),
            "from": "2026-01-02", "until": "2026-01-03"}]}, "windows.0.from"),
        ("GET", "/v1/customers?first=1001", None, "first"),
        ("GET", "/v1/customers?after=%00", None, "after"),
]  # fmt: skip


async def test_bad_input_names_its_field_and_changes_nothing(profile_at_rest: RunningService) -> None:
    headers = profile_at_rest.headers()
    for method, path, body, field in REFUSED:
        answer = await profile_at_rest.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == 422, (path, answer.text)
        assert answer.headers["content-type"] == "application/problem+json"
        if field is not None:
            assert field in {error["field"] for error in answer.json()["errors"]}, answer.text
    assert (await profile_at_rest.client.get("/v1/segments", headers=headers)).json()["items"] == []
    assert (await profile_at_rest.client.get("/v1/ranks/default", headers=headers)).json()["version"] == 0


async def test_property_values_cannot_become_sql(profile: RunningService) -> None:
    hostile = "x'); DROP TABLE events; --"
    hostile_properties: dict[str, Any] = {hostile: hostile}
    condition = {
        "kind": "event_count", "event": hostile, "comparison": "ge", "value": 1,
        "where": [{"property": hostile, "comparison": "eq", "value": hostile}],
    }  # fmt: skip
    await profile.publish([event(UUID(int=1), hostile, profile.clock.now(), **hostile_properties)])
    await profile.drain()
    answer = await profile.client.post("/v1/segments:preview", json={"condition": condition}, headers=profile.headers())
    assert answer.json()["count"] == 1


async def test_reading_needs_read_and_writing_needs_write(profile_at_rest: RunningService) -> None:
    client = profile_at_rest.client
    reader = profile_at_rest.headers("profile:read")
    writer = profile_at_rest.headers("profile:write")
    assert (await client.get("/v1/totals")).status_code == 401
    assert (await client.get("/v1/totals", headers=writer)).status_code == 403
    assert (await client.put("/v1/segments/x", json=SEGMENT, headers=reader)).status_code == 403
    assert (await client.post("/v1/segments/x:publish", headers=reader)).status_code == 403
    assert (await client.put("/v1/ranks/default", json={"ranks": []}, headers=reader)).status_code == 403
    assert (await client.get("/v1/totals", headers=reader)).status_code == 200
