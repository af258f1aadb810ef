"""Reading from another service, in batches, with a deadline and a short service token."""

from typing import Any

import aiohttp
from opentelemetry import propagate, trace

from servicekit.auth import ServiceTokens
from servicekit.errors import Unavailable

tracer = trace.get_tracer(__name__)


class JsonClient:
    """POST and GET of JSON at one service. One per process; close it at shutdown."""

    def __init__(self, base_url: str, *, tokens: ServiceTokens, scope: str, timeout_seconds: float = 5) -> None:
        self._base_url = base_url.rstrip("/")
        self._tokens = tokens
        self._scope = scope
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._session: aiohttp.ClientSession | None = None

    async def post(self, path: str, body: object) -> dict[str, Any]:
        """POST a JSON body; return the JSON answer.

        Raises:
            Unavailable: the service does not answer in time, or answers with anything but success.
        """
        return await self._ask("POST", path, json=body)

    async def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """GET with query parameters; return the JSON answer.

        Raises:
            Unavailable: as `post`.
        """
        return await self._ask("GET", path, params=query)

    async def _ask(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, connector=aiohttp.TCPConnector(limit=32))
        headers = {"Authorization": f"Bearer {self._tokens.bearer(self._scope)}"}
        attributes = {"http.request.method": method}
        with tracer.start_as_current_span(
            f"{method} {path}", kind=trace.SpanKind.CLIENT, attributes=attributes
        ) as span:
            propagate.inject(headers)
            try:
                async with self._session.request(
                    method, self._base_url + path, headers=headers, **arguments
                ) as response:
                    span.set_attribute("http.response.status_code", response.status)
                    if response.status != 200:
                        raise Unavailable(f"{path} answered {response.status}.")
                    answer: dict[str, Any] = await response.json()
                    return answer
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                raise Unavailable(f"{path} did not answer ({type(error).__name__}).") from error

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
