"""R7 for every service: good, bad and hostile requests made from its OpenAPI document get an answer or a problem."""

import pytest

from servicekit.fuzzing import fuzz, send_hostile_bodies
from servicekit.testing import Environment, running
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
    # without policy:write: a policy it makes up would hide everything from the requests that follow
    "profile": (
        "insights:read", "insights:write", "exports:read", "exports:write", "privacy:read", "policy:read",
        "circulation:read",
    ),
}  # fmt: skip
# the front door answers in the Segment API's shape, customers' pages are HTML
_OTHER_SHAPES = {"identity": ("application/json",), "delivery": ("text/html",), "survey": ("text/html",)}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_no_request_made_from_the_document_is_answered_500(
    service: TestedService, environment: Environment
) -> None:
    async with running(service.build, service.settings, environment, workers=False, **service.overrides) as started:
        scopes = (f"{service.name}:read", f"{service.name}:write", *_FURTHER_SCOPES.get(service.name, ()))
        outcomes = await fuzz(
            started,
            known=_KNOWN,
            examples=4,
            also=_OTHER_SHAPES.get(service.name, ()),
            headers=started.headers(*scopes),
        )
    operations = {endpoint for endpoint, _ in outcomes}
    assert len(operations) == sum(len(item) for item in started.app.openapi()["paths"].values())
    assert {200, 422} <= {status for _, status in outcomes}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_hostile_bodies_are_refused(service: TestedService, environment: Environment) -> None:
    async with running(service.build, service.settings, environment, workers=False, **service.overrides) as started:
        known = {**_KNOWN, "journey_key": "some-key"} | dict.fromkeys(_OTHER_IDS, _KNOWN["commitment_id"])
        outcomes = await send_hostile_bodies(started, known=known, also=_OTHER_SHAPES.get(service.name, ()))
    assert {status for _, status in outcomes} & {400, 422}
