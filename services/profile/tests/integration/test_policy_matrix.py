"""R9: nothing that the policy hides from a department is told by any endpoint, header or error.

The matrix is made from the OpenAPI document: every operation has sample calls here, or the test fails asking for one.
Canaries are planted that `ads` may not see; each call is made with a token of `ads`, where none may show, and with one
of `crm`, where those it names must show: else the call would prove nothing.
"""

import base64
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import unquote
from uuid import UUID

import httpx
import pytest
from services.profile.tests.integration.test_signs import settled
from services.profile.tests.profile_facts import event, identify, purchase, source_changed

from contracts.relations import RELATION_DATE_GIVEN
from profile_service.app import build
from profile_service.settings import Settings
from servicekit.auth import sign_token
from servicekit.command import openapi_text
from servicekit.testing import RunningService

PEOPLE = [UUID(int=number) for number in range(1, 13)]
ONE = PEOPLE[0]
RELATION = UUID(int=77)
LISTED = "canary_listed"
SCOPES = (
    "profile:read", "profile:write", "profile:scan", "insights:read", "insights:write", "exports:read", "exports:write",
    "circulation:read",
)  # fmt: skip

TRAIT, LABELLED, EVENT = "canary_trait", "canary_labelled", "Canary Event"
BY_TRAIT = {"kind": "trait", "trait": TRAIT, "comparison": "eq", "value": "canary-value"}
BY_EVENT = {"kind": "event_count", "event": EVENT, "comparison": "ge", "value": 1}
BY_PURCHASE = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
OPEN = {"kind": "event_count", "event": "Page Viewed", "comparison": "ge", "value": 1}
SEGMENT = {"name": "canary-segment-name", "description": "canary-description", "condition": OPEN}
DRAWN = {"name": "canary-drawn-name", "condition": BY_TRAIT}
SIGN = {
    "name": "canary-sign-name", "meaning": "canary-meaning", "condition": BY_EVENT, "strength": "strong",
    "lifetime_days": 30, "outcome": {"event": "Order Completed", "within_days": 5},
}  # fmt: skip
RANKS = {"ranks": [{"key": "canary_rank", "name": "canary-rank-name", "condition": BY_PURCHASE}]}
DATASET = {
    "title": "Panel", "supplier": "Panel K.K.", "purpose": "p", "hypothesis": "h", "licence": "l",
    "segment_keys": ["canary_segment", "canary_drawn"],
    "measures": [{"name": "spend", "kind": "number", "unit": "JPY"}], "expires_at": "2027-03-31T15:00:00Z",
}  # fmt: skip
CELLS = "segment,cell_size,spend\ncanary_segment,120,420042\n"
EXPORT = {
    "segment": None,
    "columns": [{
        "name": "column", "category": "canary-category", "source": {"kind": "trait", "trait": LABELLED},
        "generalisation": {"kind": "categories", "values": {"canary-labelled": "canary-label"}},
    }],
    "purpose": "canary-purpose", "recipient": "University", "provision": "SFTP",
}  # fmt: skip
SAID: dict[str, Any] = {TRAIT: "canary-value", LABELLED: "canary-labelled", "plain": 1}
COMPUTED = {
    "name": "canary-computed-name", "value": {"kind": "events", "function": "count", "event": EVENT},
}  # fmt: skip
DAILY = {"every": "day", "at": "03:00"}
TOGETHER = {"event": EVENT, "property": "note"}
TOPIC = {"name": "Topic", "kind": "own", "keywords": {"any": ["kizuna"]}}

CANARIES = (
    TRAIT, "canary-value", LABELLED, "canary-labelled", EVENT, "canary-property", "canary-product", "4711.42",
    "canary_segment", "canary-segment-name", "canary-description", "canary-why", "canary_drawn", "canary-drawn-name",
    LISTED, "canary_sign", "canary-sign-name", "canary-meaning", "canary_rank", "canary-rank-name", "canary aunt",
    "canary-remark", "420042", "canary-category", "canary-label", "canary-purpose", "canary-retraction",
    "canary_computed", "canary-computed-name",
)  # fmt: skip

POLICY: dict[str, Any] = {
    "why": "the test",
    "rules": [
        {"effect": "deny", "who": {"departments": ["ads"]}, "what": what}
        for what in (
            {"kind": "trait", "names": [TRAIT]},
            {"kind": "trait", "labels": ["secret"]},
            {"kind": "event", "names": ["Canary*"]},
            {"kind": "event", "from": {"departments": ["sales"]}},
            {"kind": "segment", "names": ["canary_segment", LISTED]},
            {"kind": "relation", "names": ["canary *"]},
            {"kind": "remark"},
        )
    ],
}


@dataclass(frozen=True)
class Call:
    """One request, and what `crm` is shown by it; nothing: `ads` must be refused (or the answer says nothing)."""

    shows: tuple[str, ...] = ()
    says_nothing: bool = False
    """The answer tells `ads` nothing, though it is not refused."""
    body: Any = None
    query: Any = None
    content: str | None = None
    key: str = "canary_segment"


def drawn(**more: Any) -> Call:
    """The same about the segment that is drawn from a hidden trait."""
    return Call(key="canary_drawn", **more)


EVERYBODY = {"customer_ids": [str(each) for each in PEOPLE]}
WINDOW = {"key": "k", "customer_id": str(ONE), "from": "2026-01-01T00:00:00Z", "until": "2027-01-01T00:00:00Z"}
NOT_SEGMENT = {"name": "x", "meaning": "m", "condition": OPEN, "strength": "weak", "lifetime_days": 1}
EITHER = [{"event": "Page Viewed"}, {"event": EVENT}]
HIDDEN_CONDITIONS: list[dict[str, Any]] = [
    BY_TRAIT,
    {"kind": "not", "condition": BY_EVENT},
    {"kind": "trait_changed", "trait": LABELLED},
    {
        "kind": "event_count", "event": "Identified", "comparison": "ge", "value": 1,
        "where": [{"property": LABELLED, "comparison": "exists"}],
    },
    {
        "kind": "value", "comparison": "exists",
        "of": {"kind": "events", "function": "most_frequent", "event": "Identified", "property": TRAIT},
    },
    BY_PURCHASE,
    {"kind": "segment", "segment": "canary_segment"},
    {"kind": "or", "conditions": [OPEN, {"kind": "segment", "segment": "canary_drawn"}]},
    {"kind": "segment", "segment": LISTED},
    {"kind": "sign", "sign": "canary_sign"},
    {
        "kind": "value", "of": {"kind": "computed", "key": "canary_computed"}, "comparison": "exists",
    },
    {"kind": "rank", "position": "is", "rank": "canary_rank"},
    {"kind": "event_count", "event": "Remark Made", "comparison": "ge", "value": 1},
    {
        "kind": "date", "position": "on", "date": "2026-05-05",
        "of": {"relation": "canary aunt", "occasion": "birthday", "purpose": "gift"},
    },
    {"kind": "value", "of": {"kind": "events", "function": "count", "event": EVENT}, "comparison": "ge", "value": 1},
]  # fmt: skip

CALLS: dict[str, Sequence[Call]] = {
    "POST /v1/customers:batchGet": [
        Call(
            (TRAIT, "canary-value", LABELLED, "canary-labelled", "4711.42", "canary_segment", "canary-segment-name",
             "canary_drawn", "canary-drawn-name", LISTED, "canary_sign", "canary-meaning", "canary-rank-name",
             "canary_computed"),
            body=EVERYBODY,
        )
    ],
    "POST /v1/timelines:batchGet": [
        Call((EVENT, "canary-property", "canary-product", "4711.42", "canary-remark"), body=EVERYBODY),
    ],
    "POST /v1/traits:batchGet": [
        Call((TRAIT, "canary-value", LABELLED, "canary-labelled"), body=EVERYBODY),
        Call(("canary-value",), body={**EVERYBODY, "names": [TRAIT, LABELLED]}),
    ],
    "POST /v1/trait-observations:batchGet": [
        Call((TRAIT, "canary-value", LABELLED, "canary-labelled"), body={**EVERYBODY, "names": [TRAIT, LABELLED]}),
    ],
    "POST /v1/conversions:batchGet": [
        Call(body={"event": EVENT, "windows": [WINDOW]}),
        Call(body={"event": "Identified", "sum_property": TRAIT, "windows": [WINDOW]}),
        Call(("4711.42",), body={"event": "Order Completed", "sum_property": "revenue", "windows": [WINDOW]}),
    ],
    "POST /v1/relations:batchGet": [Call(("canary aunt",), body={**EVERYBODY, "purpose": "gift"})],
    "POST /v1/remarks:batchGet": [Call(("canary-remark",), body=EVERYBODY)],
    "POST /v1/segments:preview": [Call(body={"condition": each}) for each in HIDDEN_CONDITIONS],
    "GET /v1/customers": [Call(query={"segment": key}) for key in ("canary_segment", "canary_drawn", LISTED)],
    "GET /v1/customers/{customer_id}/traits/{name}": [Call(("canary-value",))],
    "GET /v1/customers/{customer_id}/relations/{relation_id}": [Call(("canary aunt",), query={"purpose": "gift"})],
    "GET /v1/totals": [Call(("4711.42",))],
    "GET /v1/segments": [Call(("canary_segment", "canary-description", "canary_drawn", TRAIT, LISTED))],
    "GET /v1/segments/{key}": [Call(("canary-segment-name",)), drawn(shows=(TRAIT, "canary-drawn-name"))],
    "GET /v1/segments/{key}/versions": [Call(("canary-why",)), drawn(shows=(TRAIT,))],
    "GET /v1/segments/{key}/days": [Call(), drawn()],
    "GET /v1/segments/{key}/insights": [Call(("420042",))],
    "GET /v1/segments:overlap": [Call(query={"a": "open", "b": "canary_segment"})],
    "GET /v1/segments:overlaps": [Call(query={"key": ["open", "canary_drawn"]})],
    "GET /v1/ranks/default": [Call(("canary_rank", "canary-rank-name"))],
    "GET /v1/signs": [Call(("canary_sign", "canary-meaning", EVENT))],
    "GET /v1/signs:coverage": [Call(("canary_sign", "canary-sign-name"))],
    "GET /v1/signs/{key}": [Call(("canary-meaning", EVENT), key="canary_sign")],
    "GET /v1/signs/{key}/versions": [Call((EVENT,), key="canary_sign")],
    "GET /v1/signs/{key}/customers": [Call(key="canary_sign")],
    "GET /v1/signs/{key}/precision": [Call(key="canary_sign")],
    "GET /v1/traits": [Call((TRAIT, LABELLED)), Call((LABELLED,), query={"first": 1})],
    "GET /v1/traits/{name}": [Call(("canary-description",))],
    "GET /v1/retractions/{retraction_id}": [Call(("canary-retraction",))],
    "GET /v1/circulation": [
        Call(("canary_segment", "canary-drawn-name", LISTED)), Call(query={"segment": "canary_drawn"}),
    ],
    "GET /v1/computed-traits": [Call(("canary_computed", "canary-computed-name", EVENT))],
    "GET /v1/computed-traits:presets": [Call(says_nothing=True)],
    "GET /v1/computed-traits/{key}": [Call(("canary-computed-name",), key="canary_computed")],
    "GET /v1/rfm": [Call((EVENT,))],
    "GET /v1/cut-points": [Call(("canary_computed",))],
    "GET /v1/cut-points/{subject}": [Call()],
    "GET /v1/cut-points/{subject}/versions": [Call()],
    "GET /v1/lifecycle": [Call((EVENT,))],
    "GET /v1/next-categories": [Call((EVENT,))],
    "GET /v1/next-categories/lifts": [Call()],
    "POST /v1/next-categories:batchGet": [Call(body=EVERYBODY)],
    "GET /v1/insights": [Call(("canary_segment", "canary_drawn"))],
    "GET /v1/insights/{key}": [Call(("canary_segment", "canary_drawn"), key="panel")],
    "GET /v1/remark-topics": [Call(says_nothing=True)],
    "GET /v1/remark-topics/{key}": [Call(says_nothing=True, key="topic")],
    "GET /v1/remark-topics/{key}/days": [Call(key="topic")],
    "GET /v1/remark-opinions/{opinion}": [Call(says_nothing=True)],
    "GET /v1/anonymised-exports": [Call(("canary-category", "canary-purpose", LABELLED))],
    "GET /v1/anonymised-exports/{export_id}": [Call(("canary-category",))],
    "GET /v1/anonymised-exports/{export_id}/content": [Call(("canary-label",))],
    # changes, whose answers must not tell either
    "POST /v1/anonymised-exports": [Call(("canary-category",), body=EXPORT)],
    "POST /v1/anonymised-exports/{export_id}:cancel": [Call()],
    "PUT /v1/segments/{key}": [
        Call(("canary-segment-name",), body=SEGMENT), drawn(shows=(TRAIT,), body=DRAWN),
        *(Call(key="other", body={"name": "x", "condition": each}) for each in HIDDEN_CONDITIONS),
    ],
    "POST /v1/segments/{key}:publish": [Call(("canary-segment-name",)), drawn(shows=(TRAIT,))],
    "POST /v1/segments/{key}:restore": [Call(("canary-segment-name",), body={"version": 1})],
    "POST /v1/segments/{key}:addMembers": [Call(key=LISTED, body=EVERYBODY)],
    "POST /v1/segments/{key}:removeMembers": [Call(key=LISTED, body=EVERYBODY)],
    "POST /v1/segments/{key}:archive": [Call(("canary-segment-name",)), drawn(shows=(TRAIT,))],
    "POST /v1/segments/{key}:unarchive": [Call(("canary-segment-name",)), drawn(shows=(TRAIT,))],
    "PUT /v1/ranks/default": [Call(("canary-rank-name",), body=RANKS)],
    "PUT /v1/signs/{key}": [
        Call(("canary-meaning",), key="canary_sign", body=SIGN),
        Call(key="x", body={**NOT_SEGMENT, "outcome": {"event": EVENT, "within_days": 3}}),
        Call(key="x", body={**NOT_SEGMENT, "outcome": {"sign": "canary_sign", "within_days": 3}}),
        Call(key="x", body={**NOT_SEGMENT, "outcome": {"any_of": EITHER, "within_days": 3}}),
    ],
    "POST /v1/signs/{key}:publish": [Call(("canary-meaning",), key="canary_sign")],
    "POST /v1/signs/{key}:archive": [Call(("canary-meaning",), key="canary_sign")],
    "POST /v1/signs/{key}:unarchive": [Call(("canary-meaning",), key="canary_sign")],
    "PUT /v1/computed-traits/{key}": [
        Call(("canary-computed-name",), key="canary_computed", body=COMPUTED),
        Call(key="x", body={**COMPUTED, "name": "x"}),
    ],
    "PUT /v1/rfm": [Call((EVENT,), body={"event": EVENT})],
    "PUT /v1/cut-points/{subject}": [Call(body=DAILY)],
    "POST /v1/cut-points/{subject}:cut": [Call()],
    "PUT /v1/lifecycle": [Call((EVENT,), body={"event": EVENT})],
    "PUT /v1/next-categories": [
        Call((EVENT,), body=TOGETHER), Call(body={"event": "Identified", "property": TRAIT}),
        Call((EVENT,), body=TOGETHER),
    ],
    "POST /v1/next-categories:take": [Call()],
    "PUT /v1/traits/{name}": [Call(("canary-description",), body={"description": "canary-description"})],
    "POST /v1/traits/{name}:retract": [Call((TRAIT,), body={"source_id": "crm", "why": "x"})],
    "PUT /v1/customers/{customer_id}/relations/{relation_id}": [
        Call(("canary aunt",), body={"relation": "canary aunt", "occasion": "birthday", "date": "--05-05",
                                     "purpose": "gift"})
    ],
    "PUT /v1/insights/{key}": [Call(("canary_segment",), key="other", body=DATASET)],
    "POST /v1/insights/{key}:import": [Call(says_nothing=True, key="panel", content=CELLS)],
    "PUT /v1/remark-topics/{key}": [Call(says_nothing=True, key="topic", body=TOPIC)],
    "PUT /v1/remark-opinions/{opinion}": [Call(says_nothing=True, body={"words": {"any": ["good"]}})],
    "DELETE /v1/remark-topics/{key}": [Call(says_nothing=True, key="topic2")],
    "DELETE /v1/traits/{name}": [Call()],
    "DELETE /v1/cut-points/{subject}": [Call()],
    "DELETE /v1/next-categories": [Call()],
    "DELETE /v1/computed-traits/{key}": [Call(key="canary_computed")],
    "DELETE /v1/customers/{customer_id}/relations/{relation_id}": [Call()],
    "DELETE /v1/insights/{key}": [Call(says_nothing=True, key="other")],
}  # fmt: skip

EXEMPT = {
    "GET /livez": "says only that it runs",
    "GET /readyz": "says only that it is ready",
    "GET /metrics": "numbers about the process, for whoever has the scope profile:read",
    "GET /v1/conditions/schema": "the language, no data",
    "GET /v1/customers/{customer_id}/export": "privacy:read gives the customer everything held, by law",
    "GET /v1/insights/{key}/reads": "privacy:read: who read, not what",
    "GET /v1/anonymised-exports/{export_id}/reads": "privacy:read: who read, not what",
    "GET /v1/policy": "policy:read names what it is about",
    "PUT /v1/policy": "policy:write",
    "GET /v1/policy/versions": "policy:read",
    "POST /v1/policy:explain": "policy:read",
}
"""Operations that the policy does not concern, and why."""


class Platform:
    """Profile with canaries planted."""

    def __init__(self, profile: RunningService) -> None:
        self.profile = profile
        self.ids: dict[str, str] = {
            "customer_id": str(ONE), "relation_id": str(RELATION), "name": TRAIT, "opinion": "positive",
            "subject": "computed:canary_computed",
        }  # fmt: skip

    def headers(self, department: str, *scopes: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.profile.token(*(scopes or SCOPES), department=department)}"}

    async def ask(self, operation: str, call: Call, department: str) -> httpx.Response:
        method, template = operation.split(" ")
        path = template.format(key=call.key, **{"export_id": "", "retraction_id": "", **self.ids})
        headers = self.headers(department) | ({"Content-Type": "text/csv"} if call.content else {})
        return await self.profile.client.request(
            method, path, json=call.body, content=call.content, params=call.query, headers=headers
        )

    async def do(self, operation: str, call: Call) -> Any:
        answer = await self.ask(operation, call, "crm")
        assert answer.status_code < 300, (operation, answer.text)
        return answer.json()

    async def plant(self) -> None:
        profile, now = self.profile, self.profile.clock.now()
        await profile.publish([source_changed("shop", "sales", now), source_changed("crm", "crm", now)])
        await profile.publish([
            *(identify(each, now, **SAID) for each in PEOPLE),
            *(event(each, "Page Viewed", now, source_id="web") for each in PEOPLE),
            event(ONE, EVENT, now, source_id="web", note="canary-property"),
            event(ONE, "Remark Made", now, source_id="blogs", text="canary-remark about kizuna", language="en"),
            purchase(ONE, now - timedelta(hours=1), 4711.42, source_id="shop", product="canary-product"),
        ])  # fmt: skip
        await profile.drain()
        await self.do("PUT /v1/traits/{name}", Call(body={"description": "canary-description"}))
        self.ids["name"] = LABELLED
        await self.do("PUT /v1/traits/{name}", Call(body={"labels": ["secret"]}))
        self.ids["name"] = "plain"
        await self.do("PUT /v1/traits/{name}", Call(body={"description": "seen by all"}))
        self.ids["name"] = TRAIT
        for key, body in (
            ("canary_segment", SEGMENT),
            ("canary_drawn", DRAWN),
            ("open", {"name": "o", "condition": OPEN}),
        ):
            await self.do("PUT /v1/segments/{key}", Call(key=key, body=body))
            await self.do("POST /v1/segments/{key}:publish", Call(key=key, body={"why": "canary-why"}))
        await self.do("PUT /v1/segments/{key}", Call(key=LISTED, body={"name": "l", "kind": "static"}))
        await self.do("POST /v1/segments/{key}:addMembers", Call(key=LISTED, body={"customer_ids": [str(ONE)]}))
        await self.do("PUT /v1/signs/{key}", Call(key="canary_sign", body=SIGN))
        await self.do("POST /v1/signs/{key}:publish", Call(key="canary_sign"))
        await self.do("PUT /v1/ranks/default", Call(body=RANKS))
        await self.do("PUT /v1/computed-traits/{key}", Call(key="canary_computed", body=COMPUTED))
        await self.do("PUT /v1/cut-points/{subject}", Call(body=DAILY))
        await self.do("PUT /v1/rfm", Call(body={"event": EVENT}))
        await self.do("PUT /v1/lifecycle", Call(body={"event": EVENT}))
        await self.do("PUT /v1/next-categories", Call(body=TOGETHER))
        for topic in ("topic", "topic2"):
            await self.do("PUT /v1/remark-topics/{key}", Call(key=topic, body=TOPIC))
        await self.do("PUT /v1/remark-opinions/{opinion}", Call(body={"words": {"any": ["good"]}}))
        [relation] = CALLS["PUT /v1/customers/{customer_id}/relations/{relation_id}"]
        await self.do("PUT /v1/customers/{customer_id}/relations/{relation_id}", relation)
        await self.do("PUT /v1/insights/{key}", Call(key="panel", body=DATASET))
        await self.do("POST /v1/insights/{key}:import", Call(key="panel", content=CELLS))
        nobody = {"source_id": "crm", "why": "canary-retraction", "until": "2020-01-01T00:00:00Z"}
        self.ids["retraction_id"] = (await self.do("POST /v1/traits/{name}:retract", Call(body=nobody)))[
            "retraction_id"
        ]
        self.ids["export_id"] = (await self.do("POST /v1/anonymised-exports", Call(body=EXPORT)))["export_id"]
        await settled(profile)
        for _ in range(300):
            if (await self.do("GET /v1/anonymised-exports/{export_id}", Call()))["state"] == "done":
                break
            await profile.drain()
        put = await profile.client.put("/v1/policy", json=POLICY, headers=self.headers("it", "policy:write"))
        assert put.status_code == 201, put.text


@pytest.fixture
async def platform(profile: RunningService) -> Platform:
    """Profile with canaries that the policy hides from `ads`."""
    planted = Platform(profile)
    await planted.plant()
    return planted


def told(answer: httpx.Response) -> str:
    """Everything an answer says, its cursors too, without what the question said itself."""
    request = f"{unquote(str(answer.request.url))} {answer.request.content.decode()}"
    said = json.dumps(dict(answer.headers)) + answer.text
    for text in re.findall(r'"([A-Za-z0-9_-]{4,})"', answer.text):
        if len(text) % 4 != 1:
            said += base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode(errors="replace")
    for canary in sorted(CANARIES, key=len, reverse=True):
        if canary in request:
            said = said.replace(canary, "")
    return said


def operations(document: dict[str, Any]) -> list[str]:
    return [f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods]


def test_every_operation_of_the_document_has_a_sample_call_or_a_reason() -> None:
    found = set(operations(json.loads(openapi_text(Settings, build))))
    missing = found - CALLS.keys() - EXEMPT.keys()
    assert not missing, f"give a sample call in CALLS, or say in EXEMPT why the policy does not concern: {missing}"
    gone = (CALLS.keys() | EXEMPT.keys()) - found
    assert not gone, f"there is no such operation any more: {gone}"


async def test_no_operation_tells_a_department_what_the_policy_hides(platform: Platform) -> None:
    for operation, calls in CALLS.items():
        for call in calls:
            answer = await platform.ask(operation, call, "ads")
            assert answer.status_code < 500, (operation, answer.text)
            leaked = [canary for canary in CANARIES if canary in told(answer)]
            assert not leaked, (operation, call, leaked, answer.text)
            if not call.shows and not call.says_nothing:
                assert answer.status_code in {403, 404}, (operation, call, answer.status_code, answer.text)
            if answer.status_code == 200 and call.body is not None and "condition" in call.body:
                raise AssertionError(f"{operation} answered a condition about what is hidden: {call.body}")
    shown: set[str] = set()
    for operation, calls in CALLS.items():
        for call in calls:
            answer = await platform.ask(operation, call, "crm")
            missing = [canary for canary in call.shows if canary not in answer.text]
            assert not missing, (operation, call, missing, answer.status_code, answer.text)
            shown |= set(call.shows)
    assert shown == set(CANARIES), set(CANARIES) - shown


async def test_a_hidden_condition_is_refused_with_its_path(platform: Platform) -> None:
    nested = {"kind": "and", "conditions": [OPEN, {"kind": "not", "condition": BY_TRAIT}]}
    for condition, field in (
        (nested, "condition.conditions.1.condition.trait"),
        (BY_EVENT, "condition.event"),
        ({"kind": "segment", "segment": "canary_drawn"}, "condition.segment"),
        ({"kind": "sign", "sign": "canary_sign", "detected": {"days": 1}}, "condition.sign"),
        (HIDDEN_CONDITIONS[-2], "condition.of.relation"),
    ):
        answer = await platform.ask("POST /v1/segments:preview", Call(body={"condition": condition}), "ads")
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (403, field)
    allowed = await platform.ask("POST /v1/segments:preview", Call(body={"condition": OPEN}), "ads")
    assert allowed.json()["count"] == len(PEOPLE)


async def test_what_was_answered_before_is_not_replayed_to_whoever_may_not_see_it(platform: Platform) -> None:
    for department, is_shown in (("crm", True), ("ads", False)):
        answer = await platform.profile.client.post(
            "/v1/timelines:batchGet",
            json=EVERYBODY,
            headers=platform.headers(department) | {"Idempotency-Key": "the same"},
        )
        assert (EVENT in answer.text) is is_shown


async def test_a_stated_purpose_counts_and_a_token_may_limit_it(platform: Platform) -> None:
    recall = {"effect": "allow", "who": {"purposes": ["recall"]}, "what": {"kind": "event"}}
    policy = {**POLICY, "rules": [recall, *POLICY["rules"]]}
    profile = platform.profile
    await profile.client.put("/v1/policy", json=policy, headers=platform.headers("it", "policy:write"))
    limited = sign_token(
        profile.environment.user_key, issuer="kizuna", subject="x", scopes=("profile:read",), department="ads",
        issued_at=profile.clock.now().timestamp(), lifetime_seconds=60, purposes=("newsletter",),
    )  # fmt: skip
    limited_headers = {"Authorization": f"Bearer {limited}"}
    asked: list[tuple[dict[str, str], int, bool]] = [
        (platform.headers("ads"), 200, False),
        (platform.headers("ads") | {"Kizuna-Purpose": "recall"}, 200, True),
        (platform.headers("ads") | {"Kizuna-Purpose": "newsletter"}, 200, False),
        (limited_headers | {"Kizuna-Purpose": "newsletter"}, 200, False),
        (limited_headers | {"Kizuna-Purpose": "recall"}, 403, False),
    ]
    for headers, status, is_shown in asked:
        answer = await profile.client.post("/v1/timelines:batchGet", json=EVERYBODY, headers=headers)
        assert (answer.status_code, "canary-property" in answer.text) == (status, is_shown)


async def test_what_is_withheld_is_said_of_everybody_alike(platform: Platform) -> None:
    stranger = {"customer_ids": [str(UUID(int=999))]}
    for noun in ("customers", "timelines", "traits", "trait-observations"):
        operation = f"POST /v1/{noun}:batchGet"
        more = {"names": [TRAIT]} if noun == "trait-observations" else {}
        for department, withheld in (("ads", True), ("crm", False)):
            for body in (EVERYBODY, stranger):
                answer = await platform.ask(operation, Call(body=body | more), department)
                assert answer.json()["withheld"] is withheld, operation


async def test_pages_of_a_timeline_are_full_and_counted_by_what_is_seen(platform: Platform) -> None:
    now = platform.profile.clock.now()
    shown = [event(ONE, "Page Viewed", now - timedelta(days=n), source_id="web") for n in range(1, 8)]
    hidden = [event(ONE, EVENT, now - timedelta(days=n, hours=1), source_id="web") for n in range(1, 8)]
    await platform.profile.publish([*shown, *hidden])
    await platform.profile.drain()
    seen: list[str] = []
    body: dict[str, Any] = {"customer_ids": [str(ONE)], "first": 4}
    while True:
        answer = await platform.ask("POST /v1/timelines:batchGet", Call(body=body), "ads")
        [page] = answer.json()["customers"]
        assert page["total_count"] == 10
        seen += [each["name"] for each in page["events"]]
        if not page["has_more"]:
            break
        assert len(page["events"]) == 4
        body["after"] = page["events"][-1]["cursor"]
    assert sorted(seen) == ["Identified", *["Page Viewed"] * 8, RELATION_DATE_GIVEN]
