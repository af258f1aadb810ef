"""R7 for every service: good, bad and hostile requests made from its OpenAPI document get an answer or a problem."""

from typing import Any

import pytest

from servicekit.fuzzing import check_problem, fuzz, send_hostile_bodies
from servicekit.testing import Environment, RunningService, running
from tests.contract.services import SERVICES, TestedService

_KNOWN = {
    "key": "some-key",
    "source_id": "shop",
    "name": "loyalty_card",
    "opinion": "positive",
    "subject": "monetary",
    "token": "x.y",
    "commitment_id": "3b1f8f0c-6a1e-4d0e-9a43-1c6f4f0d2a11",
}
_OTHER_IDS = (
    "agreement_id",
    "candidate_id",
    "customer_id",
    "decision_id",
    "disclosure_id",
    "erasure_id",
    "export_id",
    "import_id",
    "job_id",
    "relation_id",
    "run_id",
)
_FURTHER_SCOPES = {
    # without policy:write: a policy it makes up would hide everything from the requests that follow; see below
    "profile": (
        "insights:read", "insights:write", "exports:read", "exports:write", "privacy:read", "policy:read",
        "circulation:read",
    ),
}  # fmt: skip
# the front door answers in the Segment API's shape, customers' pages are HTML
_OTHER_SHAPES = {"identity": ("application/json",), "delivery": ("text/html",), "survey": ("text/html",)}


@pytest.mark.parametrize("examples", [2, pytest.param(20, marks=pytest.mark.slow)])
@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_no_request_made_from_the_document_is_answered_500(
    service: TestedService, environment: Environment, examples: int
) -> None:
    async with running(service.build, service.settings, environment, workers=False, **service.overrides) as started:
        scopes = (f"{service.name}:read", f"{service.name}:write", *_FURTHER_SCOPES.get(service.name, ()))
        outcomes = await fuzz(
            started,
            known=_KNOWN,
            examples=examples,
            also=_OTHER_SHAPES.get(service.name, ()),
            headers=started.headers(*scopes),
        )
    operations = {endpoint for endpoint, _ in outcomes}
    assert len(operations) == sum(len(item) for item in started.app.openapi()["paths"].values())
    assert {200, 422} <= {status for _, status in outcomes}


_PROFILE = next(service for service in SERVICES if service.name == "profile")
_POLICY = "PUT /v1/policy"


async def test_whatever_policy_is_put_is_answered_and_so_is_whoever_asks_for_it(environment: Environment) -> None:
    async with running(_PROFILE.build, _PROFILE.settings, environment, workers=False) as profile:
        officer = profile.headers("policy:read", "policy:write")
        outcomes = await fuzz(profile, known=_KNOWN, examples=25, headers=officer, only={_POLICY})
        assert outcomes[_POLICY, 200] + outcomes[_POLICY, 201] > 10
        assert outcomes[_POLICY, 422] > 10
        # whatever was made up does not keep out who may put another
        page = (await profile.client.get("/v1/policy/versions", params={"first": 100}, headers=officer)).json()
        assert len(page["items"]) > 5
        for each in page["items"][:5]:
            body = {"default": each["default"], "rules": each["rules"], "why": "once more"}
            await _answers_under(profile, body, officer)


async def _answers_under(profile: RunningService, policy: dict[str, Any], officer: dict[str, str]) -> None:
    """Ask for everything that needs no path, under a policy."""
    put = await profile.client.put("/v1/policy", json=policy, headers=officer)
    assert put.is_success, put.text
    scopes = ("profile:read", *_FURTHER_SCOPES["profile"])
    for path, item in profile.app.openapi()["paths"].items():
        if "get" in item and "{" not in path:
            answer = await profile.client.get(path, headers=profile.headers(*scopes))
            check_problem(answer, f"GET {path}")


async def test_where_nobody_may_see_anything_every_operation_answers(environment: Environment) -> None:
    async with running(_PROFILE.build, _PROFILE.settings, environment, workers=False) as profile:
        officer, everything = (
            profile.headers("policy:read", "policy:write"),
            profile.headers("profile:read", "profile:write", *_FURTHER_SCOPES["profile"]),
        )
        condition = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
        body = {"name": "x", "condition": condition}
        put = await profile.client.put("/v1/segments/some-key", json=body, headers=everything)
        assert put.status_code == 201, put.text
        closed = await profile.client.put("/v1/policy", json={"default": "deny", "why": "closed"}, headers=officer)
        assert closed.status_code == 201
        outcomes = await fuzz(profile, known=_KNOWN, examples=1, headers=everything)
        operations = {endpoint for endpoint, _ in outcomes}
        assert len(operations) == sum(len(item) for item in profile.app.openapi()["paths"].values())
        assert {200, 403, 422} <= {status for _, status in outcomes}
        hidden = await profile.client.get("/v1/segments", headers=everything)
        assert (hidden.status_code, hidden.json()["items"]) == (200, [])
        opened = await profile.client.put("/v1/policy", json={"why": "open again"}, headers=officer)
        assert opened.status_code == 200, "who keeps the policy is not kept out by it"
        shown = await profile.client.get("/v1/segments", headers=everything)
        assert [row["key"] for row in shown.json()["items"]] != []


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_hostile_bodies_are_refused(service: TestedService, environment: Environment) -> None:
    async with running(service.build, service.settings, environment, workers=False, **service.overrides) as started:
        known = {**_KNOWN, "journey_key": "some-key"} | dict.fromkeys(_OTHER_IDS, _KNOWN["commitment_id"])
        outcomes = await send_hostile_bodies(started, known=known, also=_OTHER_SHAPES.get(service.name, ()))
    assert {status for _, status in outcomes} & {400, 422}
