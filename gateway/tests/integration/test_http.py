"""GraphQL over HTTP: credentials, media types, methods, statuses, and requests that make no sense."""

import json
from typing import Any

import pytest
from fake_services import customer
from gateway_harness import Gateway

RESPONSE = "application/graphql-response+json"
JSON = "application/json"


async def send(
    gateway: Gateway, *, accept: str | None = RESPONSE, method: str = "POST", **arguments: Any
) -> tuple[int, Any, Any]:
    headers = {"Authorization": f"Bearer {gateway.token()}"} | ({"Accept": accept} if accept is not None else {})
    headers |= arguments.pop("headers", {})
    url = f"{gateway.url}/graphql"
    async with gateway.session.request(
        method, url, headers=headers, skip_auto_headers={"Accept"}, **arguments
    ) as response:
        content = await response.read()
        return response.status, json.loads(content) if content else None, response.headers


@pytest.mark.parametrize("credential", [None, "Bearer", "Bearer nonsense", "Basic dXNlcjo=", "Bearer a.b.c"])
async def test_without_a_good_token_there_is_nothing(gateway: Gateway, credential: str | None) -> None:
    headers = {"Authorization": credential} if credential else {}
    for method in ("GET", "POST"):
        async with gateway.session.request(
            method, f"{gateway.url}/graphql?query={{__typename}}", headers=headers
        ) as response:
            assert response.status == 401
            assert response.content_type == "application/problem+json"
            assert (await response.json())["status"] == 401
    assert gateway.fake.calls == []


async def test_an_expired_token_is_none(gateway: Gateway) -> None:
    headers = {"Authorization": f"Bearer {gateway.token(lifetime_seconds=-10)}"}
    assert (await send(gateway, json={"query": "{__typename}"}, headers=headers))[0] == 401


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        (None, JSON), ("*/*", JSON), (JSON, JSON), (RESPONSE, RESPONSE), ("application/*", JSON),
        (f"{RESPONSE}, {JSON};q=0.9", RESPONSE), (f"{JSON};q=0.5, {RESPONSE}", RESPONSE), (f"{JSON}, {RESPONSE}", JSON),
        (f"text/html, {RESPONSE};charset=utf-8", RESPONSE),
    ],
)  # fmt: skip
async def test_the_client_chooses_the_media_type(gateway: Gateway, accept: str | None, media_type: str) -> None:
    status, body, headers = await send(gateway, accept=accept, json={"query": "{__typename}"})
    assert (status, body) == (200, {"data": {"__typename": "Query"}})
    assert headers["Content-Type"] == f"{media_type}; charset=utf-8"


async def test_no_other_media_type_is_spoken(gateway: Gateway) -> None:
    status, body, _ = await send(gateway, accept="text/html", json={"query": "{__typename}"})
    assert status == 406
    assert body["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": "accept"}


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("{", "GRAPHQL_PARSE_FAILED"),
        ("{ nobody }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ customer { id } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query A { __typename } query B { __typename }", "BAD_USER_INPUT"),
        ("fragment A on Query { __typename }", "GRAPHQL_VALIDATION_FAILED"),
        ("query($id: ID!) { customer(id: $id) { id } }", "BAD_USER_INPUT"),
    ],
)
async def test_what_cannot_be_executed_is_a_bad_request(gateway: Gateway, query: str, code: str) -> None:
    status, body, _ = await send(gateway, json={"query": query})
    assert status == 400
    assert body["errors"][0]["extensions"]["code"] == code
    assert "data" not in body
    status, body, _ = await send(gateway, accept=JSON, json={"query": query})
    assert status == 200  # clients that know only application/json look into the body
    assert "data" not in body


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"), (b"{", "body"), (b"\xff", "body"), (b"3", "body"), (b"[]", "body"), (b"null", "body"),
        (b'[{"query": "{__typename}"}]', "body"), (b"{}", "query"), (b'{"query": 3}', "query"),
        (b'{"query": ""}', "query"),
        (b'{"query": "{__typename}", "variables": [1]}', "variables"),
        (b'{"query": "{__typename}", "variables": "{}"}', "variables"),
        (b'{"query": "{__typename}", "operationName": 7}', "operationName"),
        (b'{"query": "{__typename}", "extensions": "x"}', "extensions"),
        (b"[" * 100_000, "body"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("accept", [JSON, RESPONSE])
async def test_bad_requests_name_the_field(gateway: Gateway, body: bytes, field: str, accept: str) -> None:
    status, answer, _ = await send(gateway, accept=accept, data=body, headers={"Content-Type": JSON})
    assert status == 400
    assert answer["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT", "field": field}


async def test_other_content_types_are_refused(gateway: Gateway) -> None:
    for content_type in ("text/plain", "application/graphql", "multipart/form-data; boundary=x", ""):
        status, _, _ = await send(gateway, data=b'{"query": "{__typename}"}', headers={"Content-Type": content_type})
        assert status == 415


async def test_a_body_of_megabytes_is_refused(gateway: Gateway) -> None:
    status, body, _ = await send(gateway, data=b" " * 2_000_000, headers={"Content-Type": JSON})
    assert (status, body["status"]) == (413, 413)


async def test_queries_may_come_by_get(gateway: Gateway) -> None:
    query = "query Q($id: ID!) { customer(id: $id) { id } } query Other { __typename }"
    parameters = {"query": query, "operationName": "Q", "variables": json.dumps({"id": customer(2)})}
    status, body, _ = await send(gateway, method="GET", params=parameters)
    assert (status, body) == (200, {"data": {"customer": {"id": customer(2)}}})
    status, body, _ = await send(gateway, method="GET", params=parameters | {"variables": "{"})
    assert (status, body["errors"][0]["extensions"]["field"]) == (400, "variables")


async def test_changes_may_not_come_by_get(gateway: Gateway) -> None:
    mutation = (
        'mutation { withdrawPermission(input: {customerId: "x", channel: "email", topic: "t"}) { customer { id } } }'
    )
    status, _, headers = await send(gateway, method="GET", params={"query": mutation})
    assert (status, headers["Allow"]) == (405, "POST")
    assert gateway.fake.calls == []


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_other_methods_are_not_allowed(gateway: Gateway, method: str) -> None:
    assert (await send(gateway, method=method))[0] == 405


async def test_subscriptions_are_not_for_http(gateway: Gateway) -> None:
    query = f'subscription {{ customerUpdated(id: "{customer(1)}") {{ id }} }}'
    assert (await send(gateway, json={"query": query}))[0] == 400


async def test_null_members_are_as_good_as_none(gateway: Gateway) -> None:
    body = {"query": "{__typename}", "variables": None, "operationName": None, "extensions": None}
    assert (await send(gateway, json=body))[0] == 200


async def test_the_schema_may_be_asked_for(gateway: Gateway) -> None:
    from graphql import build_client_schema, get_introspection_query, print_schema

    _, body, _ = await send(gateway, json={"query": get_introspection_query()})
    assert "type Customer" in print_schema(build_client_schema(body["data"]))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ('{ customer(id: "not a uuid") { id } }', "id"),
        ("{ customers(first: 0) { totalCount } }", "first"),
        ("{ customers(first: 101) { totalCount } }", "first"),
        ('{ customers(after: "???") { totalCount } }', "after"),
        ('{ customers(after: "WyIiLCA5OTk5OTk5XQ") { totalCount } }', "after"),
        ('{ customers(segment: "") { totalCount } }', "segment"),
        ('{ customerByIdentifier(namespace: "", value: "x") { id } }', "namespace"),
        ('{ customerByIdentifier(namespace: "email", value: "") { id } }', "value"),
        (f'{{ customer(id: "{customer(1)}") {{ timeline(first: 101) {{ totalCount }} }} }}', "first"),
        (f'{{ customer(id: "{customer(1)}") {{ timeline(first: -1) {{ totalCount }} }} }}', "first"),
        (f'{{ customer(id: "{customer(1)}") {{ messages(first: 1000) {{ id }} }} }}', "first"),
    ],
)  # fmt: skip
async def test_arguments_out_of_range_are_named(gateway: Gateway, query: str, field: str) -> None:
    status, body, _ = await send(gateway, json={"query": query})
    assert status == 200  # the operation is good, one field's argument is not
    (error,) = body["errors"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "field": field}
    assert error["path"]


async def test_health_is_open_and_metrics_are_not(gateway: Gateway) -> None:
    async with gateway.session.get(f"{gateway.url}/livez") as response:
        assert response.status == 200
    async with gateway.session.get(f"{gateway.url}/readyz") as response:
        assert response.status == 200
    async with gateway.session.get(f"{gateway.url}/metrics") as response:
        assert response.status == 401
