"""Definitions of traits over HTTP: idempotent, versioned, refused with the field named."""

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote
from uuid import UUID

from services.profile.tests.profile_facts import identify, source_changed

from servicekit.testing import RunningService

ANYBODY = str(UUID(int=1))
TRAIT = "/v1/traits/plan"
RETRACT = "/v1/traits/plan:retract"
NUL, HALF, BEFORE_ALL = "\0", "\ud800", "0001-01-01T00:00:00+23:59"


def _cursor(*values: str) -> str:
    return base64.urlsafe_b64encode(json.dumps(values).encode()).decode().rstrip("=")


REFUSED: list[tuple[str, str, Any, str]] = [
    ("PUT", TRAIT, {"policy": "vote"}, "policy"),
    ("PUT", TRAIT, {"policy": "max"}, "type"),
    ("PUT", TRAIT, {"policy": "min", "type": "text"}, "type"),
    ("PUT", TRAIT, {"policy": "union", "type": "number"}, "type"),
    ("PUT", TRAIT, {"policy": "most_trusted"}, "trusted"),
    ("PUT", TRAIT, {"policy": "latest", "trusted": [{"source": "crm"}]}, "trusted"),
    ("PUT", TRAIT, {"policy": "most_trusted", "trusted": [{"source": "crm"}, {"source": "crm"}]}, "trusted.1"),
    ("PUT", TRAIT, {"labels": ["Not a key"]}, "labels.0"),
    ("PUT", TRAIT, {"colour": "red"}, "colour"),
    ("PUT", "/v1/traits/%00", {}, "name"),
    ("PUT", f"/v1/traits/{'x' * 201}", {}, "name"),
    ("GET", "/v1/traits?after=nonsense", None, "after"),
    ("GET", f"/v1/traits?after={_cursor(NUL)}", None, "after"),
    ("GET", f"/v1/traits?after={_cursor(HALF)}", None, "after"),
    ("GET", f"/v1/customers/{ANYBODY}/traits/plan?after={_cursor(BEFORE_ALL, BEFORE_ALL, ANYBODY)}", None, "after"),
    ("GET", f"/v1/customers/{ANYBODY}/traits/plan?after=nonsense", None, "after"),
    ("POST", RETRACT, {"source_id": "crm"}, "why"),
    ("POST", RETRACT, {"source_id": "crm", "why": ""}, "why"),
    ("POST", RETRACT, {"source_id": "nobody", "why": "x"}, "source_id"),
    ("POST", RETRACT, {"source_id": "crm", "why": "x", "until": "2027-01-01T00:00:00Z"}, "until"),
    ("POST", RETRACT, {"source_id": "crm", "why": "x", "until": BEFORE_ALL}, "until"),
    ("POST", RETRACT, {"source_id": "crm", "why": "x", "event_id": ANYBODY}, "customer_id"),
]


async def test_what_does_not_fit_names_its_field_and_changes_nothing(profile_at_rest: RunningService) -> None:
    headers = profile_at_rest.headers()
    for method, path, body, field in REFUSED:
        answer = await profile_at_rest.client.request(method, path, json=body, headers=headers)
        assert answer.status_code == 422, (path, body, answer.text)
        assert field in {error["field"] for error in answer.json()["errors"]}, (path, answer.text)
    assert (await profile_at_rest.client.get("/v1/traits", headers=headers)).json() == {"items": [], "next": None}
    for place in (TRAIT, f"/v1/customers/{ANYBODY}/traits/plan", f"/v1/retractions/{ANYBODY}"):
        assert (await profile_at_rest.client.get(place, headers=headers)).status_code == 404


async def test_a_definition_is_put_edited_listed_and_deleted(profile_at_rest: RunningService) -> None:
    client, headers = profile_at_rest.client, profile_at_rest.headers()
    body = {"policy": "union", "description": "お気に入り", "is_sensitive": True, "labels": ["taste"]}
    names = ["好み/色", "plan", "points"]
    for name in names:
        created = await client.put(f"/v1/traits/{quote(name, safe='')}", json=body, headers=headers)
        assert (created.status_code, created.headers["ETag"]) == (201, '"1"')
        again = await client.put(f"/v1/traits/{quote(name)}", json=body, headers=headers)
        assert (again.status_code, again.json()) == (200, created.json())
    assert created.json()["status"] == "refolding"
    stale = await client.put(TRAIT, json={}, headers={**headers, "If-Match": '"7"'})
    assert stale.status_code == 412
    edited = await client.put(TRAIT, json={"labels": ["x"]}, headers={**headers, "If-Match": '"1"'})
    assert (edited.status_code, edited.headers["ETag"], edited.json()["policy"]) == (200, '"2"', "latest")
    first = (await client.get("/v1/traits?first=2", headers=headers)).json()
    rest = (await client.get(f"/v1/traits?after={first['next']}", headers=headers)).json()
    assert sorted(each["name"] for each in first["items"] + rest["items"]) == sorted(names)
    assert (await client.delete(TRAIT, headers={**headers, "If-Match": '"1"'})).status_code == 412
    assert (await client.delete(TRAIT, headers=headers)).status_code == 204
    assert (await client.delete(TRAIT, headers=headers)).status_code == 404


async def test_what_a_source_never_said_it_cannot_take_back(profile: RunningService) -> None:
    client, headers, now = profile.client, profile.headers(), profile.clock.now()
    said = identify(UUID(int=1), now - timedelta(days=1), source_id="crm", plan="gold")
    await profile.publish([source_changed("crm", "sales", now), source_changed("shop", "ec", now)])
    await profile.publish([said])
    await profile.drain()
    asked = {"source_id": "shop", "why": "x", "customer_id": ANYBODY, "event_id": str(said.event_id)}
    answer = await client.post(RETRACT, json=asked, headers=headers)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "event_id")
    nobody = {"source_id": "crm", "why": "x", "customer_id": str(UUID(int=2))}
    assert (await client.post(RETRACT, json=nobody, headers=headers)).status_code == 404
    reader = profile.headers("profile:read")
    assert (await client.post(RETRACT, json=asked, headers=reader)).status_code == 403
    assert (await client.put(TRAIT, json={}, headers=reader)).status_code == 403
    connection = await profile.database.connect()
    await connection.execute("INSERT INTO moving_customers (customer_id, anchor_id) VALUES ($1, $1)", UUID(int=1))
    moving = {"source_id": "crm", "why": "x", "customer_id": ANYBODY}
    assert (await client.post(RETRACT, json=moving, headers=headers)).status_code == 409
    await connection.execute("DELETE FROM moving_customers")
    await connection.close()
    once = {**headers, "Idempotency-Key": "r1"}
    answers = [await client.post(RETRACT, json=moving, headers=once) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[0].json()["retracted"] == 1
