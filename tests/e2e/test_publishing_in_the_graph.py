"""Publishing through the graph on the whole platform: a change sent again happens once, whatever others did meanwhile;
what somebody else made of a definition in between is refused, and never published along."""

import json
from typing import Any

from tests.e2e.world import ordered
from tests.running_platform import RunningPlatform

STORY = "publishing"
PUT_SEGMENT = "mutation($input: PutSegmentInput!) { putSegment(input: $input) { segment { revision } } }"
PUBLISH = """mutation($input: PublishSegmentInput!) { publishSegment(input: $input) {
  segment { version revision isEdited condition } } }"""


def change(platform: RunningPlatform, mutation: str, **given: Any) -> Any:
    """What a mutation with one input answered, without errors."""
    answer = platform.ask(mutation, input=given)
    assert "errors" not in answer, answer["errors"]
    [payload] = answer["data"].values()
    return payload


def conflict(answer: dict[str, Any]) -> str:
    """Of which argument the one error is, which is a conflict."""
    [error] = answer["errors"]
    assert error["extensions"]["code"] == "CONFLICT", error
    field: str = error["extensions"]["field"]
    return field


def test_a_publication_sent_twice_happens_once_whatever_others_published_since(platform: RunningPlatform) -> None:
    key = f"{STORY}-shared"
    mine = {"key": key, "name": "わたしの", "condition": ordered(STORY), "idempotencyKey": f"{STORY}-publish"}
    theirs = mine | {"name": "ほかの人の", "condition": ordered("others"), "idempotencyKey": f"{STORY}-others"}
    first = change(platform, PUBLISH, **mine)["segment"]
    assert (first["version"], first["revision"], first["isEdited"]) == (1, 1, False)
    second = change(platform, PUBLISH, **theirs, expectedVersion=1)["segment"]
    assert (second["version"], second["revision"]) == (2, 2)
    before = _definition(platform, key)
    assert change(platform, PUBLISH, **mine)["segment"] == first
    assert change(platform, PUBLISH, **theirs, expectedVersion=1)["segment"] == second
    assert _definition(platform, key) == before
    stale = platform.ask(PUBLISH, input={"key": key, "expectedVersion": 1})
    assert conflict(stale) == "expectedVersion"
    other = platform.ask(PUBLISH, input=mine | {"name": "Another."})
    assert conflict(other) == "idempotencyKey"
    restore = "mutation($input: RestoreSegmentInput!) { restoreSegment(input: $input) { segment { version } } }"
    stale = platform.ask(restore, input={"key": key, "version": 1, "expectedVersion": 1})
    assert conflict(stale) == "expectedVersion"
    assert _definition(platform, key) == before
    given: dict[str, Any] = {"key": key, "version": 1, "expectedVersion": 2, "idempotencyKey": f"{STORY}-restore"}
    for _ in range(2):
        assert change(platform, restore, **given)["segment"] == {"version": 3}


def test_an_edit_between_putting_and_publishing_is_never_published_along(platform: RunningPlatform) -> None:
    """The gateway put it and was cut off before it published; somebody edits; then the change is sent again."""
    key, once = f"{STORY}-raced", f"{STORY}-raced"
    put_there = {"name": "わたしの", "condition": ordered(STORY)}
    with platform.client("profile") as client:
        content = json.dumps(put_there, ensure_ascii=False, separators=(",", ":")).encode()  # as the gateway writes it
        headers = {"Idempotency-Key": once, "Content-Type": "application/json"}
        assert client.put(f"/v1/segments/{key}", content=content, headers=headers).status_code == 201
    change(platform, PUT_SEGMENT, key=key, name="ほかの人の", condition=ordered("others"))
    before = _definition(platform, key)
    assert before["revision"] == 2
    raced = platform.ask(PUBLISH, input={"key": key, **put_there, "idempotencyKey": once})
    assert conflict(raced) == "expectedVersion"
    assert _definition(platform, key) == before


def test_a_sign_is_published_as_it_was_read_and_once(platform: RunningPlatform) -> None:
    key = f"{STORY}-shared"
    given = {"key": key, "name": "兆し", "meaning": "買う。", "strength": "weak", "lifetimeDays": 30}
    put_sign = "mutation($input: PutSignInput!) { putSign(input: $input) { sign { revision } } }"
    publish = "mutation($input: PublishSignInput!) { publishSign(input: $input) { sign { version revision } } }"
    assert change(platform, put_sign, **given, condition=ordered(STORY))["sign"] == {"revision": 1}
    mine = {"key": key, "expectedVersion": 1, "idempotencyKey": f"{STORY}-sign"}
    first = change(platform, publish, **mine)["sign"]
    assert first == {"version": 1, "revision": 1}
    change(platform, put_sign, **given, condition=ordered("others"))
    before = _definition(platform, key, kind="sign")
    assert (before["version"], before["revision"], before["isEdited"]) == (1, 2, True)
    assert change(platform, publish, **mine)["sign"] == first
    stale = platform.ask(publish, input={"key": key, "expectedVersion": 1})
    assert conflict(stale) == "expectedVersion"
    assert _definition(platform, key, kind="sign") == before
    assert change(platform, publish, key=key, expectedVersion=2)["sign"] == {"version": 2, "revision": 2}


def _definition(platform: RunningPlatform, key: str, *, kind: str = "segment") -> dict[str, Any]:
    """All that an edit and a publication change."""
    query = f"""query($key: String!) {{ {kind}(key: $key) {{
      name condition revision version isEdited publishedAt versions {{ edges {{ node {{ version }} }} }} }} }}"""
    found: dict[str, Any] = platform.ask(query, key=key)["data"][kind]
    return found
