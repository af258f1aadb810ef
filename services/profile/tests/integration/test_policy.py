"""The policy over HTTP: versioned, explained, and what each caller is given by it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
from services.profile.tests.integration.test_signs import settled
from services.profile.tests.profile_facts import event, identify, purchase

from servicekit.testing import RunningService

DENY_SALES: dict[str, Any] = {
    "effect": "deny",
    "who": {"departments": ["ads"]},
    "what": {"kind": "event", "from": {"departments": ["sales"]}},
    "note": "what was bought in the shop stays with sales",
}

ONE = UUID(int=1)
EVERYBODY = {"customer_ids": [str(UUID(int=number)) for number in range(1, 11)]}
ILL = {"kind": "trait", "trait": "illness", "comparison": "exists"}
VISITED = {"kind": "event_count", "event": "Page Viewed", "comparison": "ge", "value": 1}


def officer(profile: RunningService) -> dict[str, str]:
    """Somebody who may change the policy."""
    return profile.headers("policy:read", "policy:write")


async def ask(profile: RunningService, department: str, method: str, path: str, body: Any = None) -> httpx.Response:
    scopes = ("profile:read", "profile:write", "exports:read", "exports:write", "circulation:read")
    headers = {"Authorization": f"Bearer {profile.token(*scopes, department=department)}"}
    return await profile.client.request(method, path, json=body, headers=headers)


async def do(profile: RunningService, method: str, path: str, body: Any = None) -> Any:
    answer = await ask(profile, "crm", method, path, body)
    assert answer.status_code < 300, answer.text
    return answer.json()


async def until(profile: RunningService, path: str, name: str, value: object) -> None:
    for _ in range(300):
        if (found := (await do(profile, "GET", path))[name]) == value:
            return
        await profile.drain()
    raise AssertionError(found)


async def publish(profile: RunningService, key: str, condition: dict[str, Any]) -> None:
    await do(profile, "PUT", f"/v1/segments/{key}", {"name": key, "condition": condition})
    await do(profile, "POST", f"/v1/segments/{key}:publish")


async def hide_from_ads(profile: RunningService, what: dict[str, Any], *before: dict[str, Any]) -> None:
    denied = {"effect": "deny", "who": {"departments": ["ads"]}, "what": what}
    body = {"rules": [*before, denied], "why": "the test"}
    put = await profile.client.put("/v1/policy", json=body, headers=officer(profile))
    assert put.status_code in {200, 201}, put.text


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


async def test_a_percentile_is_hidden_with_what_its_cut_points_were_taken_of(profile: RunningService) -> None:
    await profile.publish([event(ONE, "Clinic Visited", profile.clock.now()), purchase(ONE, profile.clock.now(), 1)])
    await profile.drain()
    await do(profile, "PUT", "/v1/rfm", {"event": "Clinic Visited"})
    await do(profile, "PUT", "/v1/cut-points/frequency", {"every": "day", "at": "03:00"})
    await until(profile, "/v1/cut-points/frequency", "version", 1)
    often = {"kind": "percentile", "of": "frequency", "position": "top", "percent": 99}
    for hidden, department, status in (
        ("Clinic *", "ads", 403),
        ("Order *", "ads", 200),  # they were not taken of purchases
        ("Clinic *", "crm", 200),
    ):
        await hide_from_ads(profile, {"kind": "event", "names": [hidden]})
        answer = await ask(profile, department, "POST", "/v1/segments:preview", {"condition": often})
        assert answer.status_code == status, answer.text
        assert answer.json().get("count", "condition.of") == (
            1 if status == 200 else answer.json()["errors"][0]["field"]
        )


async def test_what_was_made_of_a_segment_stays_hidden_when_it_is_archived_or_opened(profile: RunningService) -> None:
    now = profile.clock.now()
    await profile.publish([identify(UUID(each), now, illness="asthma") for each in EVERYBODY["customer_ids"]])
    await profile.drain()
    await publish(profile, "ill", ILL)
    await settled(profile)
    since = {"kind": "moment", "of": "first_event"}
    column = {"name": "c", "category": "c", "source": since, "generalisation": {"kind": "calendar", "unit": "year"}}
    export = {"segment": "ill", "columns": [column], "purpose": "p", "recipient": "r", "provision": "SFTP"}
    path = f"/v1/anonymised-exports/{(await do(profile, 'POST', '/v1/anonymised-exports', export))['export_id']}"
    await until(profile, path, "state", "done")
    await hide_from_ads(profile, {"kind": "trait", "names": ["illness"]})
    for change in ("", "archived", "opened"):
        if change == "archived":  # its members exit by and by
            await do(profile, "POST", "/v1/segments/ill:archive")
        if change == "opened":  # what it meant before is no less hidden
            await do(profile, "POST", "/v1/segments/ill:unarchive")
            profile.clock.advance(timedelta(days=1))
            await publish(profile, "ill", VISITED)
            await settled(profile)
            for department, days in (("crm", 30), ("ads", 0)):
                found = (await ask(profile, department, "GET", "/v1/segments/ill/days")).json()["days"]
                assert len(found) == days
        assert (await ask(profile, "ads", "GET", path)).status_code == 404
        assert (await ask(profile, "ads", "GET", f"{path}/content")).status_code == 404
        assert (await ask(profile, "ads", "GET", "/v1/anonymised-exports")).json()["items"] == []
        assert (await ask(profile, "crm", "GET", f"{path}/content")).status_code == 200
        if change == "opened":
            continue
        asked = await ask(profile, "ads", "POST", "/v1/anonymised-exports", export)
        assert (asked.status_code, asked.json()["errors"][0]["field"]) == (403, "segment")
        assert '"ill"' not in (await ask(profile, "ads", "POST", "/v1/customers:batchGet", EVERYBODY)).text


async def test_who_refers_to_what_is_changed_is_named_only_to_whoever_may_see_it(
    profile_at_rest: RunningService,
) -> None:
    profile = profile_at_rest
    ranks = {"ranks": [{"key": key, "name": key, "condition": VISITED} for key in ("silver", "gold")]}
    await do(profile, "PUT", "/v1/ranks/default", ranks)
    for key, condition in (
        ("visitors", VISITED),
        ("ill-gold", {"kind": "and", "conditions": [ILL, {"kind": "rank", "position": "is", "rank": "gold"}]}),
        ("ill-visitors", {"kind": "and", "conditions": [ILL, {"kind": "segment", "segment": "visitors"}]}),
        ("shared", {"kind": "segment", "segment": "ill-visitors"}),
    ):
        await publish(profile, key, condition)
    shared = {"effect": "allow", "who": {"departments": ["ads"]}, "what": {"kind": "segment", "names": ["shared"]}}
    await hide_from_ads(profile, {"kind": "trait", "names": ["illness"]}, shared)
    circle = {"name": "v", "condition": {"kind": "segment", "segment": "shared"}}
    changes = (("/v1/ranks/default", {"ranks": ranks["ranks"][:1]}), ("/v1/segments/visitors", circle))
    for department, is_named in (("crm", True), ("ads", False)):
        for path, body in changes:
            answer = await ask(profile, department, "PUT", path, body)
            assert (answer.status_code, "ill-" in answer.text) == (422, is_named), answer.text


async def test_sums_of_purchases_are_hidden_with_the_property_they_are_sums_of(profile: RunningService) -> None:
    await profile.publish([event(ONE, "Page Viewed", profile.clock.now())])
    await profile.drain()
    await publish(profile, "visitors", VISITED)
    await settled(profile)
    profile.clock.advance(timedelta(minutes=1))
    await profile.publish([purchase(ONE, profile.clock.now(), 4711)])
    await profile.drain()
    await hide_from_ads(profile, {"kind": "trait", "names": ["revenue"]})
    for department, is_told in (("crm", True), ("ads", False)):
        for method, path, body in (
            ("POST", "/v1/customers:batchGet", EVERYBODY),
            ("GET", "/v1/totals", None),
            ("GET", "/v1/circulation?segment=visitors", None),
        ):
            answer = await ask(profile, department, method, path, body)
            assert (answer.status_code, "4711" in answer.text) == (200, is_told), answer.text


async def test_an_outcome_is_hidden_with_the_traits_its_filters_ask_for(profile_at_rest: RunningService) -> None:
    profile = profile_at_rest
    follows = {"event": "Identified", "where": [{"property": "illness", "comparison": "eq", "value": "asthma"}]}
    sign = {"name": "s", "meaning": "m", "condition": VISITED, "strength": "weak", "lifetime_days": 1}
    await do(profile, "PUT", "/v1/signs/visits", {**sign, "outcome": {**follows, "within_days": 3}})
    await do(profile, "POST", "/v1/signs/visits:publish")
    await hide_from_ads(profile, {"kind": "trait", "names": ["illness"]})
    for department, is_told in (("crm", True), ("ads", False)):
        for path in ("/v1/signs", "/v1/signs/visits", "/v1/signs/visits/versions"):
            answer = await ask(profile, department, "GET", path)
            assert (answer.status_code, "asthma" in answer.text) == (200, is_told), answer.text
        precision = await ask(profile, department, "GET", "/v1/signs/visits/precision")
        assert precision.status_code == (200 if is_told else 403)


async def test_a_computed_trait_is_explained_by_what_it_is_drawn_from(profile_at_rest: RunningService) -> None:
    profile = profile_at_rest
    ills = {"kind": "trait", "trait": "illness", "read_as": "text"}
    await do(profile, "PUT", "/v1/computed-traits/ills", {"name": "ills", "value": ills})
    await hide_from_ads(profile, {"kind": "trait", "names": ["illness"]})
    question = {"department": "ads", "kind": "trait", "name": "ills"}
    answer = await profile.client.post("/v1/policy:explain", json=question, headers=officer(profile))
    assert (answer.json()["effect"], answer.json()["because"]) == ("deny", "drawn_from")


async def test_when_a_hidden_event_was_first_is_not_told(profile: RunningService) -> None:
    await profile.publish([event(ONE, "Clinic Visited", profile.clock.now() - timedelta(days=9))])
    await profile.publish([event(ONE, "Page Viewed", profile.clock.now())])
    await profile.drain()
    await publish(profile, "visitors", VISITED)
    await settled(profile)
    await hide_from_ads(profile, {"kind": "event", "names": ["Clinic *"]})
    first = {"kind": "moment", "of": "first_event"}
    column = {"name": "c", "category": "c", "source": first, "generalisation": {"kind": "calendar", "unit": "year"}}
    export = {"columns": [column], "purpose": "p", "recipient": "r", "provision": "SFTP"}
    for department, since in (("crm", "2026-11-11T03:00:00Z"), ("ads", None)):
        asked = await ask(profile, department, "POST", "/v1/anonymised-exports", export)
        assert asked.status_code == (202 if since else 403), asked.text
        [listed] = (await ask(profile, department, "GET", "/v1/customers")).json()["items"]
        assert listed["since"] == since
        [member] = (await ask(profile, department, "GET", "/v1/customers?segment=visitors")).json()["items"]
        assert member["since"] == "2026-11-20T03:00:00Z"
