"""The gateway as it is served, for tests: over real HTTP and WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import aiohttp
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fake_services import FakeServices
from starlette.types import ASGIApp

from servicekit.auth import sign_token
from servicekit.clock import SystemClock
from servicekit.service import Service


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve an app on a free port; gives `http://host:port`. Without uvicorn's loops, which tick every 0.1 s."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", lifespan="on", timeout_graceful_shutdown=1
    )
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await _end_connections(server)
        await server.lifespan.shutdown()


async def _end_connections(server: uvicorn.Server) -> None:
    state = server.server_state
    for listener in server.servers:
        listener.close()
    for connection in list(state.connections):
        connection.shutdown()
    with suppress(TimeoutError):
        async with asyncio.timeout(1):
            while state.connections or state.tasks:  # noqa: ASYNC110  # uvicorn says it to nobody
                await asyncio.sleep(0.005)
    for task in state.tasks:  # a fake service that hangs, say
        task.cancel()


@dataclass
class Answer:
    """What the gateway answered."""

    status: int
    body: dict[str, Any]
    headers: Any

    @property
    def data(self) -> Any:
        """The answer's data."""
        return self.body["data"]

    @property
    def errors(self) -> dict[str, str]:
        """Path -> code of the errors."""
        return {
            ".".join(map(str, error.get("path", []))): error["extensions"]["code"]
            for error in self.body.get("errors", [])
        }


@dataclass
class Gateway:
    """A gateway under test and what is around it."""

    url: str
    service: Service
    fake: FakeServices
    session: aiohttp.ClientSession
    key: Ed25519PrivateKey

    def token(self, *scopes: str, subject: str = "tester", lifetime_seconds: float = 600) -> str:
        """A user's token."""
        return sign_token(
            self.key,
            issuer="kizuna",
            subject=subject,
            scopes=scopes,
            issued_at=SystemClock().now().timestamp(),
            lifetime_seconds=lifetime_seconds,
        )

    async def ask(
        self, query: str, variables: dict[str, Any] | None = None, *, token: str | None = None, **body: Any
    ) -> Answer:
        """POST an operation."""
        headers = {"Authorization": f"Bearer {token or self.token()}"}
        content = {"query": query, "variables": variables} | body
        async with self.session.post(f"{self.url}/graphql", json=content, headers=headers) as response:
            return Answer(response.status, await response.json(), response.headers)
