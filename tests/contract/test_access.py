"""R9: nothing is readable without a credential; the public endpoints are listed in one place and are these."""

import re
from typing import Any

import httpx
import pytest

from servicekit.testing import Environment, running
from tests.contract.services import METHODS, SERVICES, TestedService

_ANY_ID = "3b1f8f0c-6a1e-4d0e-9a43-1c6f4f0d2a11"


def endpoints(document: dict[str, Any]) -> list[str]:
    """`METHOD /path` of every operation."""
    return [
        f"{method.upper()} {path}"
        for path, item in document["paths"].items()
        for method in METHODS
        if method in item
    ]  # fmt: skip


def with_some_values(path: str) -> str:
    """Fill the path's parameters."""
    return re.sub(r"\{[^}]+\}", _ANY_ID, path)


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_only_the_listed_endpoints_answer_without_a_token(
    service: TestedService, environment: Environment
) -> None:
    async with running(service.build, service.settings, environment, workers=False, **service.overrides) as started:
        found = endpoints(started.app.openapi())
        missing = {endpoint for endpoint in found if service.is_public(endpoint)}
        assert len(found) > 5
        for endpoint in found:
            method, path = endpoint.split(" ", 1)
            for headers in ({}, {"Authorization": "Bearer nonsense"}, {"Authorization": "Basic YTpi"}):
                answer = await started.client.request(method, with_some_values(path), headers=headers, content=b"{")
                if service.is_public(endpoint):
                    assert answer.status_code < 500 or answer.status_code == 503, (endpoint, answer.status_code)
                else:
                    assert answer.status_code == 401, (endpoint, headers, answer.status_code)
                    assert answer.headers["content-type"] == "application/problem+json"
        assert missing >= {"GET /livez", "GET /readyz"}


@pytest.mark.parametrize("service", SERVICES, ids=lambda service: service.name)
async def test_a_token_for_something_else_is_forbidden(service: TestedService, environment: Environment) -> None:
    other = "survey" if service.name != "survey" else "identity"
    async with running(service.build, service.settings, environment, workers=False, **service.overrides) as started:
        headers = started.headers(f"{other}:read", f"{other}:write")
        for endpoint in endpoints(started.app.openapi()):
            if service.is_public(endpoint):
                continue
            method, path = endpoint.split(" ", 1)
            answer = await started.client.request(method, with_some_values(path), headers=headers, json={})
            assert answer.status_code == 403, (endpoint, answer.status_code)


async def test_write_keys_are_asked_for_at_the_front_door(environment: Environment) -> None:
    service = next(each for each in SERVICES if each.name == "identity")
    async with running(service.build, service.settings, environment, workers=False) as started:
        for path in ("/v1/track", "/v1/batch", "/v1/t", "/v1/b"):
            for auth in (httpx.BasicAuth("nobody", ""), httpx.BasicAuth("", "nobody")):
                answer = await started.client.post(path, json={"event": "x", "userId": "u", "batch": []}, auth=auth)
                assert answer.status_code in {400, 401}, (path, auth, answer.status_code)
