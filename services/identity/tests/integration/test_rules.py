"""Rules as data: one namespace, all at once, by version, who may change them."""

from typing import Any

from servicekit.testing import RunningService

FULL = {
    "limit": 3,
    "limit_window": "monthly",
    "priority": 7,
    "unique": False,
    "blocked_values": ["test.*"],
    "normaliser": "lower",
    "verified_only": True,
    "shared": True,
    "outside": True,
    "restricted": True,
}


async def test_the_shipped_rules_are_version_one(front_door: RunningService) -> None:
    client, headers = front_door.client, front_door.headers("identity:read")
    rules = await client.get("/v1/rules", headers=headers)
    assert (rules.status_code, rules.headers["ETag"]) == (200, '"1"')
    assert (rules.json()["version"], rules.json()["changed_by"]) == (1, "kizuna")
    shipped = rules.json()["namespaces"]
    assert [
        (one["name"], one["limit"], one["unique"], one["priority"], one["normaliser"], one["shared"]) for one in shipped
    ] == [
        ("user_id", 1, True, 1, "plain", False),
        ("email", 5, False, 2, "email", False),
        ("phone", 5, False, 3, "phone", False),
        ("anonymous_id", 5, False, 4, "plain", True),
    ]
    assert shipped == (await client.get("/v1/namespaces", headers=headers)).json()["items"]
    assert (await client.get("/v1/rules/versions", headers=headers)).json()["items"] == [rules.json()]


async def test_every_change_of_a_namespace_is_a_version_with_who_and_why(front_door: RunningService) -> None:
    client, headers = front_door.client, front_door.headers()
    made = await client.put("/v1/namespaces/dmp_id", json={**FULL, "why": "A DMP."}, headers=headers)
    assert made.status_code == 201
    assert made.json() == {"name": "dmp_id", **FULL, "version": 1}
    same = await client.put("/v1/namespaces/dmp_id", json=FULL, headers=headers)
    assert (same.status_code, same.headers["ETag"]) == (200, '"1"')
    changed = await client.put(
        "/v1/namespaces/dmp_id", json={**FULL, "limit": 4}, headers=headers | {"If-Match": '"1"'}
    )
    assert changed.json()["version"] == 2
    stale = await client.put("/v1/namespaces/dmp_id", json=FULL, headers=headers | {"If-Match": '"1"'})
    assert stale.status_code == 412
    pages, after = [], None
    while True:
        params = {"first": 1} | ({"after": after} if after else {})
        page = (await client.get("/v1/rules/versions", params=params, headers=headers)).json()
        pages += page["items"]
        after = page["next"]
        if after is None:
            break
    assert [(one["version"], one["changed_by"], one["why"]) for one in pages] == [
        (3, "tester", "Rules of dmp_id."), (2, "tester", "A DMP."), (1, "kizuna", "As shipped."),
    ]  # fmt: skip
    limits = [{one["name"]: one["limit"] for one in page["namespaces"]}.get("dmp_id") for page in pages]
    assert limits == [4, 3, None]


async def test_what_is_not_said_of_a_shipped_namespace_stays_as_shipped(front_door: RunningService) -> None:
    client, headers = front_door.client, front_door.headers()
    for name, normaliser, shared in (("email", "email", False), ("phone", "phone", False), ("x", "plain", False)):
        put = await client.put(f"/v1/namespaces/{name}", json={"limit": 2, "priority": 9}, headers=headers)
        assert (put.json()["normaliser"], put.json()["shared"]) == (normaliser, shared)
    cookie = await client.put("/v1/namespaces/anonymous_id", json={"limit": 2, "priority": 9}, headers=headers)
    assert cookie.json()["shared"] is True


async def test_all_rules_are_replaced_at_once(front_door: RunningService) -> None:
    client, headers = front_door.client, front_door.headers()
    namespaces = [{"name": "user_id", "limit": 1, "priority": 1, "unique": True}, {"name": "line", **FULL}]
    body = {"namespaces": namespaces, "why": "A new way."}
    replaced = await client.put("/v1/rules", json=body, headers=headers | {"If-Match": '"1"'})
    assert (replaced.status_code, replaced.json()["version"], replaced.json()["why"]) == (200, 2, "A new way.")
    assert [(one["name"], one["version"]) for one in replaced.json()["namespaces"]] == [("user_id", 1), ("line", 1)]
    assert (await client.get("/v1/rules", headers=headers)).json() == replaced.json()
    assert (await client.get("/v1/namespaces/email", headers=headers)).status_code == 404
    assert (await client.put("/v1/rules", json=body, headers=headers)).json()["version"] == 2
    stale = await client.put("/v1/rules", json=body, headers=headers | {"If-Match": '"1"'})
    assert (stale.status_code, stale.json()["errors"][0]["field"]) == (412, "If-Match")


BAD: list[tuple[str, str, Any, str]] = [
    ("PUT", "/v1/namespaces/x", {"priority": 1, "normaliser": "rot13"}, "normaliser"),
    ("PUT", "/v1/namespaces/x", {"priority": 1, "limit_window": "daily"}, "limit_window"),
    ("PUT", "/v1/namespaces/x", {"priority": 1, "shared": True, "unique": True}, "shared"),
    ("PUT", "/v1/namespaces/x", {"priority": 1, "why": ""}, "why"),
    ("PUT", "/v1/namespaces/x", {"priority": 1, "verified_only": "perhaps"}, "verified_only"),
    ("PUT", "/v1/rules", {"namespaces": [{"name": "x", "priority": 0}], "why": "y"}, "namespaces.0.priority"),
    ("PUT", "/v1/rules", {"namespaces": [{"name": "1x", "priority": 1}], "why": "y"}, "namespaces.0.name"),
    ("PUT", "/v1/rules", {"namespaces": []}, "why"),
    ("POST", "/v1/rules:dryRun", {"namespaces": [{"name": "x", "priority": 1, "normaliser": ""}]},
     "namespaces.0.normaliser"),
    ("GET", "/v1/rules/versions?after=x", None, "after"),
    ("PUT", "/v1/sources/shop", {"name": "Shop", "department": "sales", "brand": "k", "legal_entity": "K",
                                 "trusted_namespaces": ["a b"]}, "trusted_namespaces.0"),
]  # fmt: skip


async def test_bad_rules_are_refused_naming_the_field(front_door: RunningService) -> None:
    client, headers = front_door.client, front_door.headers()
    for method, path, body, field in BAD:
        answer = await client.request(method, path, json=body, headers=headers)
        assert answer.status_code == 422, (path, body, answer.text)
        assert field in [error["field"] for error in answer.json()["errors"]], (path, body, answer.text)
    twice = {"namespaces": [{"name": "x", "priority": 1}] * 2, "why": "y"}
    assert (await client.put("/v1/rules", json=twice, headers=headers)).status_code == 422
    assert (await client.get("/v1/rules", headers=headers)).json()["version"] == 1
    reader = front_door.headers("identity:read")
    for path in ("/v1/rules", "/v1/namespaces/x"):
        assert (await client.put(path, json={}, headers=reader)).status_code == 403
    assert (await client.post("/v1/rules:dryRun", json={}, headers=reader)).status_code == 403


async def test_a_source_says_which_namespaces_it_verifies(front_door: RunningService) -> None:
    client, headers = front_door.client, front_door.headers()
    source = {"name": "Shop", "department": "sales", "brand": "kizuna", "legal_entity": "Kizuna Inc."}
    made = await client.put("/v1/sources/shop", json=source, headers=headers)
    assert made.json()["trusted_namespaces"] == []
    trusted = {**source, "trusted_namespaces": ["user_id", "line"]}
    changed = await client.put("/v1/sources/shop", json=trusted, headers=headers)
    assert (changed.json()["trusted_namespaces"], changed.json()["version"]) == (["user_id", "line"], 2)
    assert (await client.get("/v1/sources/shop", headers=headers)).json()["trusted_namespaces"] == ["user_id", "line"]
