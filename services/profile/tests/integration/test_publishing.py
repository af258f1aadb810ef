"""What is published is what its publisher meant: an edit by somebody else in between is refused by `If-Match`."""

from typing import Any

import httpx
import pytest

from servicekit.testing import RunningService

BOUGHT: dict[str, Any] = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
TWICE: dict[str, Any] = {**BOUGHT, "value": 2}
SIGN: dict[str, Any] = {"meaning": "m", "strength": "weak", "lifetime_days": 30}
BODIES: dict[str, dict[str, Any]] = {"segments": {"name": "Ours"}, "signs": {"name": "Ours", **SIGN}}
"""What is published by plural -> its body but for the condition."""


async def put(profile: RunningService, plural: str, condition: dict[str, Any]) -> str:
    """Edit the definition; returns the revision as its ETag says it."""
    body = {**BODIES[plural], "condition": condition}
    answer = await profile.client.put(f"/v1/{plural}/ours", json=body, headers=profile.headers())
    assert answer.is_success, answer.text
    return answer.headers["ETag"]


async def act(profile: RunningService, path: str, *, revision: str | None = None, **more: Any) -> httpx.Response:
    """POST as the revision demands, where one is given."""
    headers = profile.headers() | ({} if revision is None else {"If-Match": revision})
    return await profile.client.post(f"/v1/{path}", headers=headers | more.pop("headers", {}), **more)


async def kept(profile: RunningService, plural: str) -> tuple[Any, ...]:
    """All that publishing changes: the definition, its versions, and whether anybody is to be looked at for it."""
    connection = await profile.database.connect()
    requested = await connection.fetchval("SELECT COALESCE(sum(generation), 0) FROM backfills")
    await connection.close()
    definition, versions = [
        (await profile.client.get(f"/v1/{plural}/ours{more}", headers=profile.headers())).json()
        for more in ("", "/versions")
    ]
    # a backfill that ends meanwhile changes how far it is
    lasting = {name: value for name, value in definition.items() if name not in {"status", "evaluated", "size"}}
    return requested, lasting, versions


def check_refused(answer: httpx.Response) -> None:
    """It says what was wrong and what to do."""
    assert answer.status_code == 412, answer.text
    document = answer.json()
    assert document["type"] == "urn:kizuna:problem:precondition_failed"
    [error] = document["errors"]
    assert error["field"] == "If-Match"
    assert "Read it again" in error["detail"]


@pytest.mark.parametrize("plural", BODIES)
@pytest.mark.parametrize("force", [False, True])
async def test_somebody_elses_edit_is_not_published_along(profile: RunningService, plural: str, force: bool) -> None:
    mine = await put(profile, plural, BOUGHT)
    theirs = await put(profile, plural, TWICE)
    assert mine != theirs
    before = await kept(profile, plural)
    forced = profile.headers("profile:read", "profile:write", "profile:scan")
    check_refused(await act(profile, f"{plural}/ours:publish", revision=mine, json={"force": force}, headers=forced))
    assert await kept(profile, plural) == before
    published = await act(profile, f"{plural}/ours:publish", revision=theirs, json={"force": force}, headers=forced)
    assert (published.status_code, published.headers["ETag"]) == (200, theirs)
    assert (published.json()["version"], published.json()["condition"]["value"]) == (1, 2)


@pytest.mark.parametrize("plural", BODIES)
async def test_without_a_revision_what_is_there_is_published(profile: RunningService, plural: str) -> None:
    for condition in (BOUGHT, TWICE):
        await put(profile, plural, condition)
    assert (await act(profile, f"{plural}/ours:publish")).json()["version"] == 1
    assert (await act(profile, f"{plural}/ours:publish", revision="*")).json()["version"] == 1
    wrong = await act(profile, f"{plural}/ours:publish", revision="2")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "If-Match")
    assert (await act(profile, f"{plural}/none:publish", revision='"1"')).status_code == 404


@pytest.mark.parametrize("plural", BODIES)
async def test_a_repeated_publication_is_answered_as_before_whatever_was_edited_since(
    profile: RunningService, plural: str
) -> None:
    once = {"Idempotency-Key": f"once-{plural}"}
    mine = await put(profile, plural, BOUGHT)
    first = await act(profile, f"{plural}/ours:publish", revision=mine, headers=once)
    assert first.status_code == 200
    theirs = await put(profile, plural, TWICE)
    assert (await act(profile, f"{plural}/ours:publish", revision=theirs)).json()["version"] == 2
    before = await kept(profile, plural)
    again = await act(profile, f"{plural}/ours:publish", revision=mine, headers=once)
    assert (again.status_code, again.json(), again.headers["ETag"]) == (200, first.json(), mine)
    assert await kept(profile, plural) == before
    check_refused(await act(profile, f"{plural}/ours:publish", revision=mine))


async def test_an_earlier_version_does_not_take_somebody_elses_edit_away(profile: RunningService) -> None:
    first = await put(profile, "segments", BOUGHT)
    assert (await act(profile, "segments/ours:publish")).is_success
    second = await put(profile, "segments", TWICE)
    before = await kept(profile, "segments")
    check_refused(await act(profile, "segments/ours:restore", revision=first, json={"version": 1}))
    assert await kept(profile, "segments") == before
    restored = await act(profile, "segments/ours:restore", revision=second, json={"version": 1})
    assert restored.json()["condition"]["value"] == 1
    assert restored.headers["ETag"] not in {first, second}
    assert (await act(profile, "segments/ours:restore", json={"version": 1})).status_code == 200
