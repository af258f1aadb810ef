"""The policy over HTTP: versioned, explained, and what each caller is given by it."""

from typing import Any

from servicekit.testing import RunningService

DENY_SALES: dict[str, Any] = {
    "effect": "deny",
    "who": {"departments": ["ads"]},
    "what": {"kind": "event", "from": {"departments": ["sales"]}},
    "note": "what was bought in the shop stays with sales",
}


def officer(profile: RunningService) -> dict[str, str]:
    """Somebody who may change the policy."""
    return profile.headers("policy:read", "policy:write")


async def test_a_policy_is_versioned_with_who_changed_it_and_why(profile_at_rest: RunningService) -> None:
    client, headers = profile_at_rest.client, officer(profile_at_rest)
    first = await client.get("/v1/policy", headers=headers)
    assert (first.json()["version"], first.json()["default"], first.headers["ETag"]) == (0, "allow", '"0"')
    body = {"rules": [DENY_SALES], "why": "agreed in March"}
    put = await client.put("/v1/policy", json=body, headers={**headers, "If-Match": '"0"'})
    assert (put.status_code, put.json()["version"]) == (201, 1)
    again = await client.put("/v1/policy", json={**body, "why": "once more"}, headers=headers)
    assert (again.status_code, again.json()["version"], again.json()["why"]) == (200, 1, "agreed in March")
    stale = await client.put("/v1/policy", json={"why": "x", "default": "deny"}, headers={**headers, "If-Match": '"0"'})
    assert stale.status_code == 412
    closed = await client.put("/v1/policy", json={"why": "closed", "default": "deny"}, headers=headers)
    assert (closed.json()["version"], closed.json()["changed_by"]) == (2, "kizuna/tester")
    page = (await client.get("/v1/policy/versions?first=1", headers=headers)).json()
    assert [each["version"] for each in page["items"]] == [2]
    page = (await client.get(f"/v1/policy/versions?after={page['next']}", headers=headers)).json()
    assert [
        (each["version"], each["why"], each["rules"][0]["what"]["from"]["departments"]) for each in page["items"]
    ] == [(1, "agreed in March", ["sales"])]


async def test_a_policy_is_refused_where_it_makes_no_sense(profile_at_rest: RunningService) -> None:
    client, headers = profile_at_rest.client, officer(profile_at_rest)
    refused: list[tuple[dict[str, Any], str]] = [
        ({"effect": "deny", "what": {"kind": "event", "labels": ["health"]}}, "rules.0.what"),
        ({"effect": "deny", "what": {"kind": "trait", "from": {"departments": ["x"]}}}, "rules.0.what"),
        ({"effect": "deny", "what": {"kind": "remark", "names": ["x"]}}, "rules.0.what"),
        ({"effect": "deny", "what": {"kind": "trait", "names": ["*a*b*c*d*"]}}, "rules.0.what.names.0"),
        ({"effect": "perhaps"}, "rules.0.effect"),
        ({"effect": "deny", "whom": {}}, "rules.0.whom"),
    ]
    for rule, field in refused:
        answer = await client.put("/v1/policy", json={"rules": [rule], "why": "x"}, headers=headers)
        assert answer.status_code == 422, answer.text
        assert field in {error["field"] for error in answer.json()["errors"]}, answer.text
    reader = profile_at_rest.headers("profile:read", "profile:write")
    assert (await client.get("/v1/policy", headers=reader)).status_code == 403
    assert (await client.put("/v1/policy", json={"why": "x"}, headers=reader)).status_code == 403
    assert (await client.post("/v1/policy:explain", json={}, headers=reader)).status_code == 403


async def test_the_rule_that_decides_is_explained_also_of_a_policy_that_does_not_hold_yet(
    profile_at_rest: RunningService,
) -> None:
    client, headers = profile_at_rest.client, officer(profile_at_rest)
    question = {"department": "ads", "kind": "event", "name": "Order Completed", "from": {"department": "sales"}}

    async def explained(**more: Any) -> tuple[Any, ...]:
        answer = await client.post("/v1/policy:explain", json={**question, **more}, headers=headers)
        assert answer.status_code == 200, answer.text
        return tuple(answer.json()[name] for name in ("effect", "because", "position", "version"))

    assert await explained() == ("allow", "default", None, 0)
    assert await explained(policy={"rules": [DENY_SALES]}) == ("deny", "rule", 0, None)
    promised = {"effect": "allow", "who": {"purposes": ["warranty"]}, "what": {"kind": "event", "names": ["Order *"]}}
    await client.put("/v1/policy", json={"rules": [promised, DENY_SALES], "why": "warranty"}, headers=headers)
    assert await explained() == ("deny", "rule", 1, 1)
    assert await explained(purpose="warranty") == ("allow", "rule", 0, 1)
    assert await explained(department="sales") == ("allow", "default", None, 1)
    assert await explained(**{"from": {"department": "web"}}) == ("allow", "default", None, 1)
