"""Delivery on real parts: PostgreSQL, NATS, an SMTP server that follows a script, and a profile that answers traits."""

import asyncio
import email
import email.policy
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import Any
from uuid import UUID, uuid4

import pytest
from aiohttp import web
from aiosmtpd.smtp import SMTP

from contracts.campaign import MessageRequested
from contracts.identity import IdentifierLinked, IdentifierSourced
from delivery_service.app import build
from delivery_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running

START = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)  # noon in Tokyo


@dataclass
class Mailbox:
    """An SMTP server in this process. What it does with a recipient is scripted by the local part.

    `gone-*`: 550 at RCPT. `busy-*`: 451 at RCPT, `busy_times` times each. `policy-*`: 550 5.7.1 at RCPT. `content-*`:
    554 at the content. `drop-*`: takes the content, then closes without an answer. `hangup-*`: closes at RCPT.
    """

    port: int = 0
    pipelining: bool = True
    busy_times: int = 1
    mails: list[tuple[str, bytes]] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    before_answer: Callable[[str], Awaitable[None]] | None = None
    _server: asyncio.Server | None = None

    async def handle_EHLO(  # noqa: N802  # aiosmtpd calls it so
        self, _server: Any, session: Any, _envelope: Any, hostname: str, replies: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.connections += 1
        return [*replies[:-1], "250-PIPELINING", replies[-1]] if self.pipelining else replies

    async def handle_RCPT(self, server: Any, _session: Any, envelope: Any, address: str, _options: list[str]) -> str:  # noqa: N802  # aiosmtpd calls it so
        self.attempts[address] += 1
        if address.startswith("gone-"):
            return "550 5.1.1 no such user"
        if address.startswith("policy-"):
            return "550 5.7.1 not from you"
        if address.startswith("busy-") and self.attempts[address] <= self.busy_times:
            return "451 4.3.0 try again"
        if address.startswith("hangup-"):
            server.transport.abort()
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # aiosmtpd calls it so
        address = envelope.rcpt_tos[0]
        if address.startswith("content-"):
            return "554 5.6.0 not this content"
        self.mails.append((address, envelope.content))
        if self.before_answer is not None:
            await self.before_answer(address)
        if address.startswith("drop-"):
            server.transport.abort()
        return "250 OK"

    def read(self) -> list[EmailMessage]:
        """Return the mails, parsed."""
        return [email.message_from_bytes(content, policy=email.policy.default) for _, content in self.mails]

    def to(self, address: str) -> list[EmailMessage]:
        """Return the mails to one address, parsed."""
        return [mail for (to, _), mail in zip(self.mails, self.read(), strict=True) if to == address]

    async def start(self, port: int = 0) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: SMTP(self, hostname="mailbox.test", loop=loop, enable_SMTPUTF8=True), "127.0.0.1", port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening; nobody can connect."""
        if self._server is not None:
            self._server.close()


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    """A running SMTP server."""
    box = Mailbox()
    await box.start()
    yield box
    await box.stop()


@dataclass
class Profile:
    """Profile's traits endpoint over real HTTP."""

    url: str = ""
    down: bool = False
    traits: dict[UUID, dict[str, Any]] = field(default_factory=dict)
    requests: list[dict[str, Any]] = field(default_factory=list)
    authorizations: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.requests.append(body)
        self.authorizations.append(request.headers.get("Authorization", ""))
        if self.down:
            return web.json_response({"title": "down"}, status=503)
        names = body["names"]
        return web.json_response(
            {
                "customers": [
                    {
                        "customer_id": customer,
                        "traits": {
                            name: value
                            for name, value in self.traits.get(UUID(customer), {}).items()
                            if names is None or name in names
                        },
                    }
                    for customer in body["customer_ids"]
                ]
            }
        )


@pytest.fixture
async def profile() -> AsyncIterator[Profile]:
    """A running profile."""
    fake = Profile()
    app = web.Application()
    app.router.add_post("/v1/traits:batchGet", fake.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    fake.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    yield fake
    await runner.cleanup()


TEMPLATE: dict[str, Any] = {
    "subject": "{{ traits.first_name }}さんへ",
    "text": "こんにちは {{ traits.first_name }}: {{ variables.coupon }} {{ links.shop }}\n"
    "{{ sender.name }}\n{{ sender.postal_address }}\n配信停止 {{ unsubscribe_url }}",
    "html": "<body><p>{{ traits.first_name }}: <b>{{ variables.coupon }}</b> <a href='{{ links.shop }}'>shop</a></p>"
    "<p>{{ sender.name }} {{ sender.postal_address }} <a href='{{ unsubscribe_url }}'>配信停止</a></p></body>",
    "sender_name": "絆書店",
    "sender_address": "shop@kizuna.example",
    "postal_address": "東京都千代田区丸の内1-1-1",
    "links": [
        {"label": "shop", "url": "https://shop.example/sale?x=1"},
        {"label": "news", "url": "https://shop.example/news"},
    ],
    "category": "advertising",
}


@dataclass
class Delivery:
    """The running service with the usual things to say to it."""

    running: RunningService
    mailbox: Mailbox
    profile: Profile

    @property
    def clock(self) -> FrozenClock:
        clock = self.running.clock
        assert isinstance(clock, FrozenClock)
        return clock

    async def call(self, method: str, path: str, body: Any = None, *, expect: int = 200, **headers: str) -> Any:
        response = await self.running.client.request(
            method,
            path,
            json=body,
            headers=self.running.headers() | {name.replace("_", "-"): value for name, value in headers.items()},
        )
        assert response.status_code == expect, response.text
        return response.json()

    async def configure(self, template: dict[str, Any] | None = None, *, cap: dict[str, int] | None = None) -> None:
        await self.call("PUT", "/v1/topics/marketing", {"name": "お得な情報", "cap": cap}, expect=201)
        await self.call("PUT", "/v1/templates/spring", TEMPLATE | (template or {}), expect=201)

    def linked(
        self, value: str, *, customer_id: UUID | None = None, namespace: str = "email", **more: Any
    ) -> IdentifierLinked:
        return IdentifierLinked(
            event_id=uuid4(),
            customer_id=customer_id or uuid4(),
            anchor_id=uuid4(),
            occurred_at=self.clock.now(),
            namespace=namespace,
            value=value,
            source_id="crm",
            rule="first_seen",
            **more,
        )

    def sourced(self, contact: IdentifierLinked, legal_entity: str, *purposes: str) -> IdentifierSourced:
        return IdentifierSourced(
            event_id=uuid4(),
            customer_id=contact.customer_id,
            anchor_id=contact.anchor_id,
            occurred_at=self.clock.now(),
            namespace=contact.namespace,
            source_id="other",
            legal_entity=legal_entity,
            purposes=list(purposes),
        )

    def requested(self, contact: IdentifierLinked, **changes: Any) -> MessageRequested:
        fields: dict[str, Any] = {
            "event_id": uuid4(),
            "customer_id": contact.customer_id,
            "anchor_id": contact.anchor_id,
            "occurred_at": self.clock.now(),
            "run_id": uuid4(),
            "journey_key": "dormant",
            "campaign_key": "spring_sale",
            "message_id": uuid4(),
            "channel": "email",
            "template_key": "spring",
            "topic": "marketing",
            "variables": {"coupon": "SPRING-1"},
        }
        return MessageRequested(**(fields | changes))

    async def permit(self, *values: str, status: str = "granted", **changes: Any) -> Any:
        fields = {"channel": "email", "topic": "marketing", "status": status, "basis": "opt_in_form"}
        body = {"permissions": [fields | {"value": value} | changes for value in values]}
        return await self.call("POST", "/v1/permissions:record", body)

    async def reachable(self, *values: str) -> list[IdentifierLinked]:
        """Link addresses, each its own customer, and record their opt-in."""
        contacts = [self.linked(value) for value in values]
        for contact in contacts:
            self.profile.traits[contact.customer_id] = {"first_name": contact.value.split("@")[0].capitalize()}
        await self.running.publish(contacts)
        await self.running.drain()
        await self.permit(*values)
        return contacts

    async def send(self, *facts: Any) -> None:
        await self.running.publish(facts)
        await self.settle()

    async def settle(self, seconds: float = 20) -> None:
        """Wait until nothing is on its way: consumers, messages that are due, outbox."""
        async with asyncio.timeout(seconds):
            while True:
                await self.running.drain()
                if not await self._busy():
                    break
                await asyncio.sleep(0.02)
        await self.running.drain()

    async def _busy(self) -> bool:
        connection = await self.running.database.connect()
        try:
            return bool(
                await connection.fetchval(
                    "SELECT EXISTS (SELECT FROM messages WHERE state IN ('reserved', 'sending') "
                    "OR state = 'requested' AND due_at <= $1)",
                    self.clock.now(),
                )
            )
        finally:
            await connection.close()

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        connection = await self.running.database.connect()
        try:
            return list(await connection.fetch(sql, *arguments))
        finally:
            await connection.close()

    async def message(self, fact: Any) -> Any:
        (row,) = await self.fetch("SELECT * FROM messages WHERE message_id = $1", fact.message_id)
        return row

    def later(self, **duration: float) -> None:
        self.clock.advance(timedelta(**duration))


StartDelivery = Callable[..., Awaitable[Delivery]]


@pytest.fixture
async def start_delivery(environment: Environment, mailbox: Mailbox, profile: Profile) -> AsyncIterator[StartDelivery]:
    """Start delivery with other settings than the usual ones."""
    async with AsyncExitStack() as stack:

        async def start(**settings: Any) -> Delivery:
            fields: dict[str, Any] = {
                "smtp_url": f"smtp://127.0.0.1:{mailbox.port}",
                "profile_url": profile.url,
                "poll_seconds": 0.05,
                "contact_grace_seconds": 0,
            }
            service = await stack.enter_async_context(
                running(build, Settings, environment, clock=FrozenClock(START), **(fields | settings))
            )
            return Delivery(service, mailbox, profile)

        yield start


@pytest.fixture
async def delivery(start_delivery: StartDelivery) -> Delivery:
    """Delivery with its usual settings."""
    return await start_delivery()


@pytest.fixture
def make_delivery() -> type[Delivery]:
    """What the usual things are said with, for a service a test runs itself."""
    return Delivery
