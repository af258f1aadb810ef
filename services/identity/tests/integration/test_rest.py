"""Configuration and reads, and what holds for every endpoint."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

from identity_service.app import build
from identity_service.models import Base
from identity_service.settings import Settings
from servicekit.command import openapi_text
from servicekit.migrations import differences
from servicekit.tables import rows_follow
from servicekit.testing import RunningService

SOURCE = {"name": "Shop", "department": "sales", "brand": "kizuna", "legal_entity": "Kizuna Inc."}


async def test_a_source_is_made_once_and_its_key_said_once(front_door: RunningService) -> None:
    client, headers = front_door.client, front_door.headers()
    made = await client.put("/v1/sources/shop", json=SOURCE, headers=headers)
    assert (made.status_code, made.headers["ETag"], made.json()["purposes"]) == (201, '"1"', [])
    assert len(made.json()["write_key"]) >= 32
    again = await client.put("/v1/sources/shop", json=SOURCE, headers=headers)
    assert (again.status_code, again.headers["ETag"], again.json()["write_key"]) == (200, '"1"', None)
    changed = await client.put(
        "/v1/sources/shop", json={**SOURCE, "purposes": ["crm"]}, headers=headers | {"If-Match": '"1"'}
    )
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    stale = await client.put("/v1/sources/shop", json=SOURCE, headers=headers | {"If-Match": '"1"'})
    assert stale.status_code == 412
    [listed] = (await client.get("/v1/sources", headers=headers)).json()["items"]
    assert (listed["source_id"], listed["version"], listed["write_key"]) == ("shop", 2, None)
    assert "hash" not in json.dumps(listed)
    assert (await client.get("/v1/sources/shop", headers=headers)).json() == listed
    assert (await client.get("/v1/sources/none", headers=headers)).status_code == 404
    assert (await client.post("/v1/sources/none:rotateKey", headers=headers)).status_code == 404


async def test_namespaces_as_shipped_and_changed(front_door: RunningService) -> None:
    client, headers = front_door.client, front_door.headers()
    shipped = (await client.get("/v1/namespaces", headers=headers)).json()["items"]
    assert [(one["name"], one["limit"], one["unique"]) for one in shipped] == [
        ("user_id", 1, True), ("email", 5, False), ("phone", 5, False), ("anonymous_id", 5, False),
    ]  # fmt: skip
    made = await client.put("/v1/namespaces/line.user_id", json={"limit": 3, "priority": 7}, headers=headers)
    assert made.status_code == 201
    assert "null" in made.json()["blocked_values"]
    assert (
        await client.put("/v1/namespaces/line.user_id", json={"limit": 3, "priority": 7}, headers=headers)
    ).status_code == 200
    assert (await client.get("/v1/namespaces/line.user_id", headers=headers)).json()["version"] == 1
    assert (await client.get("/v1/namespaces/none", headers=headers)).status_code == 404


BAD_INPUT: list[tuple[str, str, Any, str]] = [
    ("PUT", "/v1/sources/Shop", SOURCE, "source_id"),
    ("PUT", "/v1/sources/kizuna-delivery", SOURCE, "source_id"),
    ("PUT", "/v1/sources/shop", {**SOURCE, "brand": "A B"}, "brand"),
    ("PUT", "/v1/sources/shop", {**SOURCE, "colour": "red"}, "colour"),
    ("PUT", "/v1/sources/shop", {**SOURCE, "name": "a\0b"}, "name"),
    ("PUT", "/v1/sources/shop", {**SOURCE, "purposes": "crm"}, "purposes"),
    ("PUT", "/v1/namespaces/x", {"limit": 0, "priority": 1}, "limit"),
    ("PUT", "/v1/namespaces/x", {"limit": 1, "priority": 1, "blocked_values": ["("]}, "blocked_values"),
    ("PUT", "/v1/namespaces/x", {"limit": 1, "priority": 1, "blocked_values": ["(a+)+"]}, "blocked_values"),
    ("PUT", "/v1/namespaces/1x", {"limit": 1, "priority": 1}, "name"),
    ("POST", "/v1/customers:batchGet", {"customer_ids": []}, "customer_ids"),
    ("POST", "/v1/customers:batchGet", {"customer_ids": ["x"]}, "customer_ids.0"),
    (
        "POST",
        "/v1/identifiers:batchLookup",
        {"identifiers": [{"namespace": "a b", "value": "1"}]},
        "identifiers.0.namespace",
    ),
    (
        "POST",
        "/v1/identifiers:batchLookup",
        {"identifiers": [{"namespace": "a", "value": "\0"}]},
        "identifiers.0.value",
    ),
    ("GET", "/v1/customers?first=0", None, "first"),
    ("GET", "/v1/customers?after=nonsense", None, "after"),
    ("GET", "/v1/rejections?after=nonsense", None, "after"),
]


async def test_bad_input_is_a_problem_naming_the_field(front_door: RunningService) -> None:
    for method, path, body, field in BAD_INPUT:
        answer = await front_door.client.request(method, path, json=body, headers=front_door.headers())
        assert answer.status_code == 422, (path, body, answer.text)
        assert field in [error["field"] for error in answer.json()["errors"]], (path, body, answer.text)
    assert (await front_door.client.get("/v1/sources", headers=front_door.headers())).json()["items"] == []


async def test_customers_are_listed_page_by_page(identity: RunningService, shop: Any) -> None:
    await shop.resolve(*({"type": "track", "event": "x", "anonymousId": f"a{number}"} for number in range(5)))
    headers, seen, after = identity.headers("identity:read"), [], None
    while True:
        params = {"first": 2} | ({"after": after} if after else {})
        page = (await identity.client.get("/v1/customers", params=params, headers=headers)).json()
        assert page["total_count"] == 5
        seen += [one["customer_id"] for one in page["items"]]
        after = page["next"]
        if after is None:
            break
    assert len(seen) == 5
    assert seen == sorted(set(seen))


async def test_every_endpoint_wants_its_scope_except_the_public_ones(front_door: RunningService) -> None:
    document = json.loads(openapi_text(Settings, build))
    public = 0
    for path, methods in document["paths"].items():
        for method in methods:
            concrete = re.sub(r"\{\w+\}", "x", path)
            bare = await front_door.client.request(method, concrete)
            powerless = await front_door.client.request(method, concrete, headers=front_door.headers("nothing:read"))
            if path in {"/livez", "/readyz", "/v1/projects/{key}/settings"} or {"tracking", "partners"} & set(
                methods[method].get("tags", [])
            ):
                public += 1
                assert bare.status_code in {200, 400, 401, 404, 503}, (method, path)
                continue
            assert (bare.status_code, powerless.status_code) == (401, 403), (method, path)
    assert public == 21


def test_the_openapi_document_is_the_committed_one() -> None:
    committed = Path(__file__).parents[2] / "openapi.json"
    assert openapi_text(Settings, build) == committed.read_text(), "python -m identity_service openapi > openapi.json"


def test_every_table_with_customers_says_how_its_rows_follow() -> None:
    assert set(rows_follow(Base).values()) == {"keep"}


async def test_the_migrations_make_what_the_models_say(front_door: RunningService) -> None:
    assert await asyncio.to_thread(differences, front_door.database.url, Base.metadata) == []


async def test_the_reconciler_makes_good_for_a_lost_mirror(front_door: RunningService, eventually: Any) -> None:
    client, headers = front_door.client, front_door.headers()
    key = (await client.put("/v1/sources/shop", json=SOURCE, headers=headers)).json()["write_key"]
    bucket = await front_door.nats.jetstream.key_value("write_keys")
    for name in await bucket.keys():
        await bucket.delete(name)
    await bucket.put("00ff", b'{"source_id":"nobody"}')
    reconciler = next(one for one in front_door.service.workers if one.name == "reconcile-write-keys")
    stop = asyncio.Event()
    running = asyncio.create_task(reconciler.run(stop))

    async def is_healed() -> bool:
        names = await bucket.keys()
        return len(names) == 1 and names != ["00ff"]

    await eventually(is_healed)
    stop.set()
    await running
    answer = await client.post("/v1/t", json={"event": "x", "userId": "1"}, auth=(key, ""))
    assert answer.status_code == 200
