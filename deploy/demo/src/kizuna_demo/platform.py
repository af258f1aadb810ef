"""The platform as anybody with the launcher's credentials reaches it: REST with a bearer token, and GraphQL."""

from collections.abc import Awaitable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

import aiohttp
import msgspec

from kizuna_demo.errors import RefusedError, StoryError
from kizuna_demo.ingest import Ingest
from kizuna_demo.patience import TemporaryTrouble, patiently, refuse_busy

Service = Literal["identity", "profile", "campaign", "delivery", "survey"]
Json = dict[str, Any]  # an answer of the REST or GraphQL APIs
SERVICES: tuple[Service, ...] = ("identity", "profile", "campaign", "delivery", "survey")
Item = TypeVar("Item")

LARGEST_BATCH = 1000
"""Ids in one batch read."""
_AWAY = ("UNAVAILABLE", "TIMEOUT")
"""Codes of GraphQL errors that pass."""
_TIMEOUT = aiohttp.ClientTimeout(total=60)


class Credentials(msgspec.Struct, frozen=True):
    """What the launcher writes to `.kizuna/credentials.json`: addresses, a token, the sources' write keys."""

    gateway: str
    identity: str
    profile: str
    campaign: str
    delivery: str
    survey: str
    mailbox: str
    token: str
    write_keys: dict[str, str] = {}

    def address(self, service: Service) -> str:
        """Where a service answers."""
        return str(getattr(self, service)).rstrip("/")


def read_credentials(path: Path) -> Credentials:
    """Raises StoryError when the file is missing or not what the launcher writes."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Credentials)
    except FileNotFoundError:
        raise StoryError(f"{path} is missing: start the platform first with `kizuna up`.") from None
    except msgspec.DecodeError as error:
        raise StoryError(f"{path} is not what `kizuna up` writes ({error}): start the platform again.") from None


class Platform:
    """Requests to the services. Every request the story makes is idempotent, so trouble is answered by repeating it."""

    def __init__(self, session: aiohttp.ClientSession, credentials: Credentials) -> None:
        self.session = session
        self.credentials = credentials

    def speaking_for(self, token: str) -> "Platform":
        """The same platform, asked with another token: a department's."""
        return Platform(self.session, msgspec.structs.replace(self.credentials, token=token))

    def ingest(self, source: str) -> Ingest:
        """A source's way in. Raises StoryError when the launcher knows no write key for it."""
        key = self.credentials.write_keys.get(source)
        if key is None:
            raise StoryError(f"There is no write key of the source {source!r} in credentials.json: run `kizuna reset`.")
        return Ingest(self.session, url=self.credentials.address("identity"), write_key=key)

    async def get(self, service: Service, path: str, **parameters: str | int) -> Json:
        """GET a path of a service; raises StoryError when it keeps refusing."""
        return await self.ask("GET", self.credentials.address(service) + path, parameters=parameters)

    async def post(self, service: Service, path: str, body: object, *, idempotency_key: str | None = None) -> Json:
        """POST JSON to a path of a service; raises StoryError when it keeps refusing.

        With a key of its own the same request is done once, whoever repeats it: its first answer comes again.
        """
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return await self.ask("POST", self.credentials.address(service) + path, body=body, headers=headers)

    async def put(self, service: Service, path: str, body: object) -> Json:
        """PUT JSON to a path of a service; raises StoryError when it keeps refusing."""
        return await self.ask("PUT", self.credentials.address(service) + path, body=body)

    async def graphql(self, query: str, **variables: object) -> Json:
        """Ask the gateway; repeats when a service behind it is away. Raises StoryError for errors of the query."""
        address = self.credentials.gateway.rstrip("/") + "/graphql"

        async def attempt() -> Json:
            answer = await self.attempt("POST", address, content=encode_json({"query": query, "variables": variables}))
            for error in answer.get("errors", []):
                if error.get("extensions", {}).get("code") in _AWAY:
                    raise TemporaryTrouble(error["message"])
                raise StoryError(f"The gateway could not answer: {error['message']}")
            data: Json = answer["data"]
            return data

        return await patiently(attempt, what=f"POST {address}")

    async def send_file(self, service: Service, path: str, content: bytes, *, kind: str) -> Json:
        """POST a file of a media type; raises RefusedError for what is not taken."""
        address, headers = self.credentials.address(service) + path, {"Content-Type": kind}
        return await patiently(
            lambda: self.attempt("POST", address, content=content, headers=headers), what=f"POST {address}"
        )

    async def ask(
        self,
        method: str,
        address: str,
        *,
        body: object = None,
        parameters: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """Any request with the platform's token; raises StoryError when the answer stays a refusal."""
        content = None if body is None else encode_json(body)
        return await patiently(
            lambda: self.attempt(method, address, content=content, parameters=parameters, headers=headers),
            what=f"{method} {address}",
        )

    async def attempt(
        self,
        method: str,
        address: str,
        *,
        content: bytes | None = None,
        parameters: Mapping[str, str | int] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Json:
        """One attempt of a request, JSON or a piece of a file; raises TemporaryTrouble for what passes by itself."""
        own = {"Authorization": f"Bearer {self.credentials.token}", "Content-Type": "application/json"}
        async with self.session.request(
            method, address, data=content, params=parameters, headers={**own, **(headers or {})}, timeout=_TIMEOUT
        ) as response:
            text = await response.read()
            refuse_busy(response)
            if response.status >= 400:
                raise RefusedError(f"{method} {address}", status=response.status, detail=problem_text(text))
            return msgspec.json.decode(text) if text else {}


async def refusal(request: Awaitable[Json]) -> Json:
    """What a service says to a request that it must refuse: status and detail. Raises StoryError if it does not."""
    try:
        answer = await request
    except RefusedError as refused:
        return {"status": refused.status, "detail": refused.detail}
    raise StoryError(f"This should have been refused, and was answered: {str(answer)[:200]}")


def problem_text(answer: bytes) -> str:
    """The sentences of a problem document, with the fields it names; else the beginning of the text."""
    try:
        problem = msgspec.json.decode(answer)
        detail = str(problem["detail"])
        named = [f"{one['field']}: {one['detail']}" for one in problem.get("errors", []) if one["detail"] != detail]
        return "; ".join([detail, *named])[:500]
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return answer[:500].decode(errors="replace")


_encoder = msgspec.json.Encoder(decimal_format="number")


def encode_json(value: object) -> bytes:
    """JSON with decimals as exact numbers and instants in ISO 8601."""
    return _encoder.encode(value)


def chunks(items: Sequence[Item], size: int = LARGEST_BATCH) -> Iterator[Sequence[Item]]:
    """Consecutive slices of at most `size` items."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
