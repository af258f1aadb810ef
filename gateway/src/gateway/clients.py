"""Calls to the services: one shared HTTP session, a deadline per call, answers decoded as typed records.

Whatever goes wrong becomes a GatewayError with a code; the caller's token and trace travel along with every call.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from gateway.answers.problem import Problem
from gateway.errors import Code, GatewayError
from gateway.settings import Settings

AnswerT = TypeVar("AnswerT")
ServiceName = Literal["identity", "profile", "campaign", "delivery", "survey"]
SERVICES: tuple[ServiceName, ...] = ("identity", "profile", "campaign", "delivery", "survey")

_CODES: dict[int, Code] = {
    400: "BAD_USER_INPUT",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    412: "CONFLICT",
    413: "BAD_USER_INPUT",
    422: "BAD_USER_INPUT",
}
_SPEAKS_TO_THE_CLIENT: frozenset[Code] = frozenset(
    {"BAD_USER_INPUT", "CONFLICT", "NOT_FOUND", "FORBIDDEN", "UNAUTHENTICATED"}
)

_encoder = msgspec.json.Encoder()
_problem_decoder = msgspec.json.Decoder(Problem)
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}  # Any: one decoder for each answer type


def _decode(body: bytes, answer: type[AnswerT]) -> AnswerT:
    decoder = _decoders.get(answer)
    if decoder is None:
        decoder = _decoders[answer] = msgspec.json.Decoder(answer)
    result: AnswerT = decoder.decode(body)
    return result


class ServiceClient:
    """One service's REST endpoints."""

    def __init__(self, name: ServiceName, base_url: str, *, deadline_seconds: float) -> None:
        self.name = name
        self.session: aiohttp.ClientSession | None = None
        """Shared by all services; there while the gateway runs."""
        self._base_url = base_url.rstrip("/")
        self._deadline_seconds = deadline_seconds

    async def get(
        self,
        path: str,
        answer: type[AnswerT],
        *,
        headers: Mapping[str, str],
        query: Mapping[str, str | int | None] | None = None,
    ) -> AnswerT:
        """GET a resource. Raises GatewayError."""
        parameters = {key: value for key, value in (query or {}).items() if value is not None}
        return await self._call("GET", path, answer, headers=headers, parameters=parameters)

    async def find(self, plural: str, key: str, answer: type[AnswerT], *, headers: Mapping[str, str]) -> AnswerT | None:
        """GET `/v1/<plural>/<key>`, None when there is no such thing. Raises GatewayError."""
        try:
            return await self.get(f"/v1/{plural}/{path_segment(key)}", answer, headers=headers)
        except GatewayError as error:
            if error.code == "NOT_FOUND":
                return None
            raise

    async def post(self, path: str, body: object, answer: type[AnswerT], *, headers: Mapping[str, str]) -> AnswerT:
        """POST a JSON body. Raises GatewayError."""
        return await self._call("POST", path, answer, headers=headers, body=_encoder.encode(body))

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
        body: bytes | None = None,
        parameters: Mapping[str, str | int] | None = None,
    ) -> AnswerT:
        assert self.session is not None, "Services.open() first"
        try:
            async with (
                asyncio.timeout(self._deadline_seconds),
                self.session.request(
                    method,
                    self._base_url + path,
                    data=body,
                    params=parameters or None,
                    headers=headers,
                    allow_redirects=False,
                ) as response,
            ):
                content = await response.read()
                status = response.status
        except TimeoutError:
            raise GatewayError(
                f"{self.name} did not answer within {self._deadline_seconds:g} s", code="TIMEOUT", service=self.name
            ) from None
        except (aiohttp.ClientError, OSError):
            raise GatewayError(f"{self.name} cannot be reached", code="UNAVAILABLE", service=self.name) from None
        if 200 <= status < 300:
            return self._read(content, answer)
        raise self._refusal(status, content)

    def _read(self, content: bytes, answer: type[AnswerT]) -> AnswerT:
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
        fields = [(_camel_case(error.field), error.detail) for error in problem.errors]
        message = problem.detail or problem.title or f"{self.name} refused with status {status}"
        return GatewayError(
            message, code=code, service=self.name, field=fields[0][0] if fields else None, errors=fields
        )


class Services:
    """All five services over one HTTP session."""

    def __init__(self, settings: Settings) -> None:
        def client(name: ServiceName, url: str) -> ServiceClient:
            return ServiceClient(name, url, deadline_seconds=settings.deadline_seconds)

        self.identity = client("identity", settings.identity_url)
        self.profile = client("profile", settings.profile_url)
        self.campaign = client("campaign", settings.campaign_url)
        self.delivery = client("delivery", settings.delivery_url)
        self.survey = client("survey", settings.survey_url)
        self._connections_per_service = settings.connections_per_service
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        """Make the session; connections follow as they are needed."""
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, limit_per_host=self._connections_per_service, keepalive_timeout=4),
            headers={"Content-Type": "application/json", "Accept": "application/json"},
            timeout=aiohttp.ClientTimeout(total=None),  # the deadline is per call
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        for client in (self.identity, self.profile, self.campaign, self.delivery, self.survey):
            client.session = self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()


def path_segment(key: str) -> str:
    """One path segment, escaped."""
    return quote(key, safe="")


def _camel_case(name: str) -> str:
    """`due_on.day` -> `dueOn.day`: the graph's spelling of a REST field."""
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
