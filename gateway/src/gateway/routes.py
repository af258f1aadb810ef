"""GraphQL over HTTP (graphql.github.io/graphql-over-http): read the request, execute, answer with the right status."""

from dataclasses import dataclass
from typing import Any

import msgspec
from graphql import ExecutionResult, GraphQLError, OperationType
from opentelemetry import propagate
from starlette.requests import Request
from starlette.responses import Response
from strawberry.types.execution import ExecutionResult as StrawberryResult

from gateway.clients import Services
from gateway.context import OperationContext
from gateway.errors import GatewayError, present, request_error
from gateway.live import LiveUpdates
from gateway.schema import Graph
from gateway.settings import Settings
from servicekit.auth import Authenticator
from servicekit.errors import Unauthorized

GRAPHQL_RESPONSE = "application/graphql-response+json"
JSON = "application/json"
PURPOSE_HEADER = "kizuna-purpose"
"""What the caller reads for; passed on with the token, since profile's policy may go by it."""
_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()


@dataclass(frozen=True)
class Operation:
    """One request for an operation, as the client wrote it."""

    query: str
    operation_name: str | None
    variables: dict[str, Any] | None  # Any: JSON


class Refused(Exception):
    """The request is no good request: nothing was read or executed."""

    def __init__(self, error: GraphQLError, *, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__(error.message)
        self.error = error
        self.status = status
        self.headers = headers or {}


class GraphQLEndpoint:
    """`GET` and `POST /graphql`."""

    def __init__(
        self, graph: Graph, *, services: Services, live: LiveUpdates, authenticator: Authenticator, settings: Settings
    ) -> None:
        self._graph = graph
        self._services = services
        self._live = live
        self._authenticator = authenticator
        self._settings = settings

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        media_type = JSON
        try:
            media_type = _negotiate(request.headers.get("accept", ""))
            operation = await _read_operation(request)
            return await self._answer(request, operation, media_type)
        except Refused as refused:
            body = {"errors": [present(refused.error, default_code="BAD_USER_INPUT")]}
            return _respond(body, media_type=media_type, status=refused.status, headers=refused.headers)

    def context(self, authorization: str, purpose: str | None = None) -> OperationContext:
        """The context of an operation of the caller with this `Authorization` header, for the purpose stated."""
        token = authorization.partition(" ")[2].strip()
        headers = {"authorization": f"Bearer {token}"}
        if purpose is not None:
            headers[PURPOSE_HEADER] = purpose
        propagate.inject(headers)  # the services' spans hang below this request's
        return OperationContext(
            services=self._services,
            live=self._live,
            headers=headers,
            authenticate=lambda: _authenticate(self._authenticator, token),
            seconds_between_updates=1 / self._settings.updates_per_second,
        )

    async def _answer(self, request: Request, operation: Operation, media_type: str) -> Response:
        document = self._graph.read(
            operation.query, operation_name=operation.operation_name, variables=operation.variables or {}
        )
        if document.errors:
            return _request_failed(document.errors, media_type)
        kind = document.kind(operation.operation_name)
        if kind is None:
            return _request_failed([_no_operation(operation.operation_name)], media_type)
        _check_method(request.method, kind)
        context = self.context(request.headers["authorization"], request.headers.get(PURPOSE_HEADER))
        context.document = document
        result = await self._graph.execute(
            operation.query, operation_name=operation.operation_name, variables=operation.variables, context=context
        )
        return _respond_result(result, media_type)


def _authenticate(authenticator: Authenticator, token: str) -> None:
    try:
        authenticator.verify(token)
    except Unauthorized as error:
        raise GatewayError(error.detail, code="UNAUTHENTICATED") from None


def _respond_result(result: ExecutionResult | StrawberryResult, media_type: str) -> Response:
    errors = result.errors or []
    if result.data is None and errors and all(error.path is None for error in errors):
        return _request_failed(errors, media_type)  # e.g. variables of the wrong type: nothing was executed
    body: dict[str, Any] = {"data": result.data}  # Any: JSON
    if errors:
        body = {"errors": [present(error) for error in errors], "data": result.data}
    return _respond(body, media_type=media_type, status=200)


def _request_failed(errors: list[GraphQLError], media_type: str) -> Response:
    """Nothing was executed: 400, or 200 for clients that know only application/json (as the specification advises)."""
    body = {"errors": [present(error, default_code="BAD_USER_INPUT") for error in errors]}
    return _respond(body, media_type=media_type, status=400 if media_type == GRAPHQL_RESPONSE else 200)


def _respond(body: dict[str, Any], *, media_type: str, status: int, headers: dict[str, str] | None = None) -> Response:
    return Response(
        _encoder.encode(body), status_code=status, headers=headers, media_type=f"{media_type}; charset=utf-8"
    )


def _no_operation(name: str | None) -> GraphQLError:
    if name is None:
        return request_error(
            "The document holds several operations: say which by operationName",
            code="BAD_USER_INPUT",
            field="operationName",
        )
    return request_error("The document holds no operation of that name", code="BAD_USER_INPUT", field="operationName")


def _check_method(method: str, kind: OperationType) -> None:
    if kind is OperationType.SUBSCRIPTION:
        message = "Subscriptions are served over WebSocket (graphql-transport-ws)"
        raise Refused(request_error(message, code="BAD_USER_INPUT", field="query"))
    if method == "GET" and kind is not OperationType.QUERY:
        message = "Only queries may be sent by GET; send mutations by POST"
        raise Refused(
            request_error(message, code="BAD_USER_INPUT", field="query"), status=405, headers={"Allow": "POST"}
        )


def _negotiate(accept: str) -> str:
    """The answer's media type: what the client likes best of the two, application/json when it says nothing."""
    if not accept:
        return JSON
    offers: list[tuple[float, str]] = []
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        if name == GRAPHQL_RESPONSE:
            offers.append((_quality(parameters), GRAPHQL_RESPONSE))
        elif name in {JSON, "application/*", "*/*"}:
            offers.append((_quality(parameters), JSON))
    best = max(offers, key=lambda offer: offer[0], default=(0.0, ""))  # of equals the first
    if best[0] <= 0:
        message = f"The answer comes as {GRAPHQL_RESPONSE} or {JSON}"
        raise Refused(request_error(message, code="BAD_USER_INPUT", field="accept"), status=406)
    return best[1]


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0


async def _read_operation(request: Request) -> Operation:
    if request.method == "GET":
        given: dict[str, Any] = dict(request.query_params)  # Any: JSON
        for name in ("variables", "extensions"):
            if name in given:
                given[name] = _decode(given[name].encode(), field=name) if given[name] else None
        return _operation(given)
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != JSON:
        message = f"Send the operation as {JSON}"
        raise Refused(request_error(message, code="BAD_USER_INPUT", field="content-type"), status=415)
    body = _decode(await request.body(), field="body")
    if isinstance(body, list):
        raise Refused(
            request_error("Send one operation a request; batches are not served", code="BAD_USER_INPUT", field="body")
        )
    if not isinstance(body, dict):
        raise Refused(request_error("The body must be a JSON object", code="BAD_USER_INPUT", field="body"))
    return _operation(body)


def _decode(content: bytes, *, field: str) -> object:
    try:
        return _decoder.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise Refused(request_error(f"{field} is not valid JSON", code="BAD_USER_INPUT", field=field)) from None


def _operation(given: dict[str, Any]) -> Operation:  # Any: JSON
    query, name = given.get("query"), given.get("operationName")
    if not isinstance(query, str) or not query:
        raise Refused(request_error("query must be a GraphQL document", code="BAD_USER_INPUT", field="query"))
    if name is not None and not isinstance(name, str):
        raise Refused(request_error("operationName must be a text", code="BAD_USER_INPUT", field="operationName"))
    for field in ("variables", "extensions"):
        if given.get(field) is not None and not isinstance(given[field], dict):
            raise Refused(request_error(f"{field} must be a JSON object", code="BAD_USER_INPUT", field=field))
    return Operation(query, name or None, given.get("variables"))
