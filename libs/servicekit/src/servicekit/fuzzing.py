"""R7 for any service: whatever is sent, the answer is a good one or a problem naming the field; never a 500.

`fuzz` and `send_hostile_bodies` work on a running service's own OpenAPI document.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import httpx
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import response_schema_conformance
from schemathesis.specs.openapi.negative import mutations

from servicekit.middleware import body_limit
from servicekit.testing import RunningService

mutations.MAX_WALK_DEPTH = 12
"""So deep in a body something is made wrong. Conditions hold conditions: down to Schemathesis' own 32 there are a
million places, nearly all of them in the depths, and to list them takes longer than to send the requests."""

Outcomes = Counter[tuple[str, int]]
"""`METHOD /path` and status -> how often."""
Case = schemathesis.Case[Any]  # of any OpenAPI parameters

HOSTILE_BODIES: Mapping[str, bytes] = {
    "nothing": b"",
    "not JSON": b"{",
    "not an object": b"[[]]",
    "not UTF-8": b'{"\xff\xfe": "\xff"}',
    "NUL": b'{"customer_ids": ["\\u0000"], "title": "\\u0000", "answers": {"a": "\\u0000"}}',
    "a lone surrogate": b'{"\\ud800": "\\udfff", "title": "\\ud800", "answers": {"a": "\\ud800"}}',
    "not a number": b'{"first": NaN, "answers": {"a": Infinity}}',
    "a huge number": b'{"first": 1' + b"0" * 5000 + b', "answers": {"a": 1e999}}',
    "deep": b"[" * 50_000,
    "the same field twice": b'{"answers": {}, "answers": []}',
}


def check_problem(response: httpx.Response, endpoint: str, *, also: tuple[str, ...] = ()) -> None:
    """Hold a refusal to RFC 9457; `also` are media types allowed beside it (a customer's page)."""
    assert response.status_code < 500, (endpoint, response.status_code, response.text[:500])
    if response.status_code < 400 or response.headers.get("content-type", "").startswith(also or ("\0",)):
        return
    assert response.headers["content-type"] == "application/problem+json", (endpoint, response.text[:200])
    problem = response.json()
    assert problem["status"] == response.status_code
    assert all(isinstance(problem[name], str) for name in ("type", "title", "detail", "instance"))
    if response.status_code == 422:
        assert problem["errors"], (endpoint, problem)
        assert all(error["field"] and error["detail"] for error in problem["errors"]), (endpoint, problem)


async def fuzz(
    service: RunningService,
    *,
    known: Mapping[str, str],
    examples: int,
    also: tuple[str, ...] = (),
    headers: dict[str, str] | None = None,
    only: Collection[str] | None = None,
) -> Outcomes:
    """Send every operation `examples` good and bad requests made from its schema, with and without known path values.

    `only`: these of them, as `METHOD /path`. Returns what was answered. Deterministic: the same document gives the same
    requests.
    """
    loop = asyncio.get_running_loop()
    outcomes: Outcomes = Counter()
    document = service.app.openapi()
    authorization = service.headers() if headers is None else headers

    def judge(case: Case) -> None:
        """Send one request from the generating thread through the service's own loop, and judge the answer."""
        arguments = case.as_transport_kwargs(base_url=str(service.client.base_url).rstrip("/"))
        prepared = requests.Request(**{name: arguments[name] for name in _SENT if name in arguments}).prepare()
        body = prepared.body.encode() if isinstance(prepared.body, str) else prepared.body
        assert body is None or isinstance(body, bytes)
        sending = service.client.request(
            prepared.method or "GET",
            prepared.url or "",
            content=body,
            headers={**{name: str(value) for name, value in prepared.headers.items()}, **authorization},
        )
        response = asyncio.run_coroutine_threadsafe(sending, loop).result(30)
        endpoint = case.operation.label
        outcomes[endpoint, response.status_code] += 1
        check_problem(response, endpoint, also=also)
        if response.is_success and response.headers.get("content-type") == "application/json":
            case.validate_response(response, checks=[response_schema_conformance])

    await asyncio.to_thread(_generate, document, known, examples, judge, only)
    return outcomes


_SENT = ("method", "url", "headers", "params", "json", "data", "cookies")


def _generate(
    document: dict[str, Any],
    known: Mapping[str, str],
    examples: int,
    judge: Callable[[Case], None],
    only: Collection[str] | None,
) -> None:
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok), result
        if only is not None and result.ok().label not in only:
            continue
        for strategy in _strategies(result.ok(), known):
            bounded = settings(
                max_examples=examples,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            bounded(given(strategy)(judge))()


def _strategies(operation: Any, known: Mapping[str, str]) -> Iterator[st.SearchStrategy[Case]]:
    definition = operation.definition.raw
    in_path = [parameter["name"] for parameter in definition.get("parameters", []) if parameter["in"] == "path"]
    values = {name: known[name] for name in in_path if name in known}
    yield operation.as_strategy(GenerationMode.POSITIVE)
    if values:
        yield operation.as_strategy(GenerationMode.POSITIVE, path_parameters=values)
    if len(in_path) < len(definition.get("parameters", [])) or "requestBody" in definition:
        yield operation.as_strategy(GenerationMode.NEGATIVE, path_parameters=values or None)


async def send_hostile_bodies(
    service: RunningService, *, known: Mapping[str, str], also: tuple[str, ...] = ()
) -> Outcomes:
    """Send what no schema would make to every operation that takes a body."""
    outcomes: Outcomes = Counter()
    for path, item in service.app.openapi()["paths"].items():
        for method in item.keys() & {"post", "put", "patch"}:
            url = path.format_map({**known})
            for body in HOSTILE_BODIES.values():
                for content_type in ("application/json", "application/x-www-form-urlencoded", "text/plain", ""):
                    headers = {**service.headers(), "Content-Type": content_type}
                    response = await service.client.request(method.upper(), url, content=body, headers=headers)
                    check_problem(response, f"{method.upper()} {path}", also=also)
                    outcomes[f"{method.upper()} {path}", response.status_code] += 1
            limit = body_limit(
                method.upper(),
                url,
                default=service.service.settings.max_body_bytes,
                limits=service.service.body_limits,
            )
            large = json.dumps({"title": "x" * limit})
            response = await service.client.request(method.upper(), url, content=large, headers=service.headers())
            assert response.status_code in {413, 415}, (path, response.status_code)
            check_problem(response, path, also=also)
    return outcomes
