"""Calls to the services: connections kept open, a deadline per call, answers decoded as typed records.

Whatever goes wrong becomes a GatewayError with a code; the caller's token and trace travel along with every call.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Literal, NamedTuple, TypeVar
from urllib.parse import quote, urlencode
from uuid import uuid4

import msgspec
from opentelemetry import propagate
from opentelemetry.trace import SpanKind, get_tracer, use_span

from gateway.answers.problem import Nothing, Problem
from gateway.connections import MAX_ANSWER_BYTES, AnswerTooLarge, ConnectionFailed, Connections
from gateway.errors import Code, GatewayError
from gateway.settings import Settings

tracer = get_tracer(__name__)

AnswerT = TypeVar("AnswerT")
ServiceName = Literal["identity", "profile", "campaign", "delivery", "survey"]
SERVICES: tuple[ServiceName, ...] = ("identity", "profile", "campaign", "delivery", "survey")

_CODES: dict[int, Code] = {
    400: "BAD_USER_INPUT",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    410: "NOT_FOUND",
    412: "CONFLICT",
    413: "BAD_USER_INPUT",
    422: "BAD_USER_INPUT",
}
_SPEAKS_TO_THE_CLIENT: frozenset[Code] = frozenset(
    {"BAD_USER_INPUT", "CONFLICT", "NOT_FOUND", "FORBIDDEN", "UNAUTHENTICATED"}
)

_HEADER_ARGUMENTS = {"If-Match": "expectedVersion", "Idempotency-Key": "idempotencyKey"}
"""Headers as a service names them in its refusals -> the arguments they are made of."""

_encoder = msgspec.json.Encoder()
_problem_decoder = msgspec.json.Decoder(Problem)
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}  # Any: one decoder for each answer type


def _decode(body: bytes, answer: type[AnswerT]) -> AnswerT:
    decoder = _decoders.get(answer)
    if decoder is None:
        decoder = _decoders[answer] = msgspec.json.Decoder(answer)
    result: AnswerT = decoder.decode(body)
    return result


class Patience(NamedTuple):
    """How long to wait for an answer, and how much of it to take."""

    deadline_seconds: float
    max_answer_bytes: int = MAX_ANSWER_BYTES
    for_more: str = "Ask for less at once."
    """What somebody can do who needs more than that."""


class ServiceClient:
    """One service's REST endpoints."""

    def __init__(
        self,
        name: ServiceName,
        connections: Connections,
        *,
        deadline_seconds: float,
        change_deadline_seconds: float = 15.0,
    ) -> None:
        self.name = name
        self._connections = connections
        self._deadline_seconds = deadline_seconds
        self._change_deadline_seconds = change_deadline_seconds

    async def get(
        self,
        path: str,
        answer: type[AnswerT],
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str | int | Sequence[str] | None] | None = None,
        patience: Patience | None = None,
    ) -> AnswerT:
        """GET a resource. Raises GatewayError."""
        parameters = {key: value for key, value in (query or {}).items() if value is not None}
        if parameters:
            path = f"{path}?{urlencode(parameters, doseq=True)}"
        return await self._call("GET", path, answer, headers=headers, patience=patience)

    async def find(self, plural: str, key: str, answer: type[AnswerT], *, headers: Mapping[str, str]) -> AnswerT | None:
        """GET `/v1/<plural>/<key>`, None when there is no such thing. Raises GatewayError."""
        return await self.get_if_any(f"/v1/{plural}/{path_segment(key)}", answer, headers=headers)

    async def get_if_any(
        self,
        path: str,
        answer: type[AnswerT],
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str | int | Sequence[str] | None] | None = None,
    ) -> AnswerT | None:
        """GET a resource, None when there is no such thing. Raises GatewayError."""
        try:
            return await self.get(path, answer, headers=headers, query=query)
        except GatewayError as error:
            if error.code == "NOT_FOUND":
                return None
            raise

    async def post(
        self,
        path: str,
        body: object,
        answer: type[AnswerT],
        *,
        headers: Mapping[str, str],
        patience: Patience | None = None,
    ) -> AnswerT:
        """POST a JSON body. Raises GatewayError."""
        return await self._call("POST", path, answer, headers=headers, body=_encoder.encode(body), patience=patience)

    async def delete(self, path: str, *, headers: Mapping[str, str], idempotency_key: str | None = None) -> None:
        """DELETE a resource, once, as `change` does; nothing is answered. Raises GatewayError."""
        once = {**headers, "idempotency-key": idempotency_key or str(uuid4())}
        await self._call("DELETE", path, Nothing, headers=once, patience=self.patience_for_changes)

    @property
    def patience_for_changes(self) -> Patience:
        """How long to wait for what may take its time."""
        return Patience(self._change_deadline_seconds)

    async def change(
        self,
        method: Literal["POST", "PUT"],
        path: str,
        body: object,
        answer: type[AnswerT],
        *,
        headers: Mapping[str, str],
        idempotency_key: str | None = None,
    ) -> AnswerT:
        """Change something that may take its time, once: the call is repeated only under its idempotency key.

        Raises:
            GatewayError: the service's refusal; TIMEOUT leaves open whether it happened.
        """
        once = {**headers, "idempotency-key": idempotency_key or str(uuid4())}
        return await self._call(
            method,
            path,
            answer,
            headers=once,
            body=_encoder.encode(body),
            patience=self.patience_for_changes,
        )

    async def put(self, path: str, body: object, answer: type[AnswerT], *, headers: Mapping[str, str]) -> AnswerT:
        """PUT a JSON body. Raises GatewayError."""
        return await self._call("PUT", path, answer, headers=headers, body=_encoder.encode(body))

    async def _call(
        self,
        method: str,
        path: str,
        answer: type[AnswerT],
        *,
        headers: Mapping[str, str],
        body: bytes = b"",
        patience: Patience | None = None,
    ) -> AnswerT:
        patience = patience or Patience(self._deadline_seconds)
        try:
            status, content = await self._ask(method, path, headers=headers, body=body, patience=patience)
        except TimeoutError:
            raise GatewayError(
                f"{self.name} did not answer within {patience.deadline_seconds:g} s", code="TIMEOUT", service=self.name
            ) from None
        except AnswerTooLarge:
            size = f"more than {patience.max_answer_bytes} bytes"
            raise GatewayError(
                f"{self.name} has {size} to answer. {patience.for_more}", code="TOO_LARGE", service=self.name
            ) from None
        except ConnectionFailed:
            raise GatewayError(f"{self.name} cannot be reached", code="UNAVAILABLE", service=self.name) from None
        if 200 <= status < 300:
            return self._read(content, answer)
        raise self._refusal(status, content)

    async def _ask(
        self, method: str, path: str, *, headers: Mapping[str, str], body: bytes, patience: Patience
    ) -> tuple[int, bytes]:
        """Call within a span that the service's own hangs below. It names the service only: paths hold keys."""
        attributes = {"http.request.method": method, "peer.service": f"kizuna-{self.name}"}
        span = tracer.start_span(f"{method} {self.name}", kind=SpanKind.CLIENT, attributes=attributes)
        call = partial(
            self._connections.request,
            method,
            path,
            body=body,
            deadline_seconds=patience.deadline_seconds,
            max_answer_bytes=patience.max_answer_bytes,
        )
        if not span.is_recording():
            return await call(headers=header_lines(headers))
        with use_span(span, end_on_exit=True):
            traced = dict(headers)
            propagate.inject(traced)
            status, content = await call(headers=header_lines(traced))
            span.set_attribute("http.response.status_code", status)
            return status, content

    def _read(self, content: bytes, answer: type[AnswerT]) -> AnswerT:
        if answer is Nothing:
            return answer()
        try:
            return _decode(content, answer)
        except msgspec.DecodeError:
            # the message of a DecodeError may quote the document: it goes nowhere
            raise GatewayError(
                f"{self.name} answered in a form the gateway does not know", code="UNAVAILABLE", service=self.name
            ) from None

    def _refusal(self, status: int, content: bytes) -> GatewayError:
        code = _CODES.get(status, "UNAVAILABLE")
        problem = Problem()
        if code in _SPEAKS_TO_THE_CLIENT:
            with suppress(msgspec.DecodeError):
                problem = _problem_decoder.decode(content)
        fields = [(_argument(error.field), error.detail) for error in problem.errors]
        message = problem.detail or problem.title or f"{self.name} refused with status {status}"
        return GatewayError(
            message, code=code, service=self.name, field=fields[0][0] if fields else None, errors=fields
        )


class Services:
    """All five services."""

    def __init__(self, settings: Settings) -> None:
        self._connections: list[Connections] = []

        def client(name: ServiceName, url: str) -> ServiceClient:
            connections = Connections(url, limit=settings.connections_per_service)
            self._connections.append(connections)
            return ServiceClient(
                name,
                connections,
                deadline_seconds=settings.deadline_seconds,
                change_deadline_seconds=settings.change_deadline_seconds,
            )

        self.identity = client("identity", settings.identity_url)
        self.profile = client("profile", settings.profile_url)
        self.campaign = client("campaign", settings.campaign_url)
        self.delivery = client("delivery", settings.delivery_url)
        self.survey = client("survey", settings.survey_url)
        self.patience_for_disclosures = Patience(
            settings.disclosure_deadline_seconds,
            settings.disclosure_max_bytes,
            "Asking again does not help: read /v1/customers/{id}/export there, or raise GATEWAY_DISCLOSURE_MAX_BYTES.",
        )
        """What one service may take to give all that it holds on a customer."""

    def __iter__(self) -> Iterator[ServiceClient]:
        return iter((self.identity, self.profile, self.campaign, self.delivery, self.survey))

    async def close(self) -> None:
        """Close all connections."""
        for connections in self._connections:
            connections.close()


def header_lines(headers: Mapping[str, str]) -> str:
    """Headers as they go over the wire. Raises ValueError for a value that would not be one line."""
    lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if lines.count("\n") != len(headers) or lines.count("\r") != len(headers) or "\0" in lines:
        raise ValueError("a header must be one line")
    return lines


def demanding(headers: Mapping[str, str], version: int | None) -> dict[str, str]:
    """The headers, and that what is changed be of this version (where one is given)."""
    return dict(headers) if version is None else {**headers, "if-match": f'"{version}"'}


def path_segment(key: str) -> str:
    """One path segment, escaped."""
    return quote(key, safe="")


def _argument(name: str) -> str:
    """The graph's spelling of a REST field: `due_on.day` -> `dueOn.day`."""
    if name in _HEADER_ARGUMENTS:
        return _HEADER_ARGUMENTS[name]
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
