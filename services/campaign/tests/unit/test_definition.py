"""What a journey's graph may be; every refusal names the path."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from campaign_service.rules.definition import Definition, problems

SEND = {"kind": "send", "channel": "email", "template_key": "coupon", "topic": "marketing"}


def definition(*steps: dict[str, Any], **changes: Any) -> Definition:
    base: dict[str, Any] = {
        "name": "Come back",
        "campaign_key": "dormant",
        "trigger": {"kind": "segment_entered", "segment_key": "going_dormant"},
        "steps": list(steps),
    }
    return Definition.model_validate(base | changes)


def paths(*steps: dict[str, Any]) -> list[str]:
    return [path for path, _ in problems(definition(*steps))]


HOLDOUT = {"key": "control", "kind": "holdout", "percent": 20, "next": "offer"}
OFFER = {"key": "offer", **SEND, "next": "rest"}
REST = {"key": "rest", "kind": "wait", "days": 3, "next": "done"}
DONE = {"key": "done", "kind": "end"}


def test_a_whole_journey_is_good() -> None:
    assert paths(HOLDOUT, OFFER, REST, DONE) == []


def test_a_step_without_next_ends_the_run() -> None:
    assert paths({"key": "offer", **SEND}) == []


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        ([HOLDOUT, OFFER | {"next": "nowhere"}, REST, DONE], "steps.1.next"),
        ([HOLDOUT, OFFER | {"next": "done"}, REST, DONE], "steps.2"),
        ([HOLDOUT, OFFER, REST, DONE, {"key": "rest", "kind": "end"}], "steps.4.key"),
        ([HOLDOUT, OFFER | {"next": "offer"}], "steps.1.next"),
        ([OFFER | {"next": "control"}, HOLDOUT | {"next": "done"}, DONE], "steps.1.kind"),
        ([HOLDOUT | {"next": "again"}, HOLDOUT | {"key": "again", "next": "done"}, DONE], "steps.1.kind"),
    ],
)
def test_a_bad_graph_is_refused_by_path(steps: list[dict[str, Any]], path: str) -> None:
    assert paths(*steps) == [path]


def test_a_loop_with_a_wait_is_good() -> None:
    assert paths(OFFER, REST | {"next": "offer"}) == []


WIFE = {"property": "relation", "comparison": "eq", "value": "wife"}


@pytest.mark.parametrize(
    ("changes", "location"),
    [
        ({"steps": [{"key": "offer", "kind": "send", "channel": "email", "topic": "marketing"}]}, "template_key"),
        ({"steps": [{"key": "offer", **SEND, "variables": {"text": "x" * 5000}}]}, "send"),
        ({"steps": [{"key": "offer", **SEND, "coupon": {"prefix": "A"}, "variables": {"coupon": "B"}}]}, "send"),
        ({"steps": [{"key": "rest", "kind": "wait"}]}, "wait"),
        ({"steps": [{"key": "rest", "kind": "wait", "days": 1, "duration_seconds": 5}]}, "wait"),
        ({"steps": [{"key": "control", "kind": "holdout", "percent": 101}]}, "percent"),
        ({"steps": [{"key": "x", "kind": "dance"}]}, 0),
        ({"steps": []}, "steps"),
        ({"trigger": {"kind": "event", "event": "Relation Date Given", "where": [WIFE]}}, "event"),
        ({"reentry": {}}, "reentry"),
        ({"reentry": {"once": True, "after_days": 3}}, "reentry"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_bad_part_is_refused_by_name(changes: dict[str, Any], location: str | int) -> None:
    with pytest.raises(ValidationError) as refused:
        definition(DONE, **changes)
    assert refused.value.errors()[0]["loc"][-1] == location


@given(st.integers(min_value=1, max_value=8), st.data())
def test_whatever_is_accepted_can_be_walked_without_turning_round_restlessly(count: int, data: st.DataObject) -> None:
    keys = [f"s{number}" for number in range(count)]
    steps = []
    for key in keys:
        kind = data.draw(st.sampled_from(["send", "wait", "end"]))
        body: dict[str, Any] = {"key": key, "kind": kind}
        body |= SEND if kind == "send" else {"days": 1} if kind == "wait" else {}
        following = data.draw(st.none() | st.sampled_from([*keys, "nowhere"]))
        steps.append(body if kind == "end" else body | {"next": following})
    journey = definition(*steps)
    if problems(journey):
        return
    step, visited, since_rest = journey.steps[0], {keys[0]}, 0
    for _ in range(3 * count):
        since_rest = 0 if step.kind == "wait" else since_rest + 1
        assert since_rest <= count
        if step.next is None:
            break
        step = journey.step(step.next)
        visited.add(step.key)
    assert visited == set(keys)
