"""What campaign's integration tests share: a profile that answers what a test tells it to, and a marketer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import jwt
from aiohttp import web

from contracts.identity import ResolvedEvent
from contracts.profile import SegmentEntered, SegmentExited
from servicekit.testing import Environment, RunningService

START = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)


@dataclass
class StandInProfile:
    """The two reads campaign makes at profile, as the platform's REST description says; everything else is 404."""

    environment: Environment
    members: dict[str, list[tuple[UUID, UUID]]] = field(default_factory=dict)
    purchases: list[tuple[UUID, datetime, Decimal]] = field(default_factory=list)
    is_down: bool = False
    page: int = 1000
    asked: list[Any] = field(default_factory=list)
    url: str = ""
    before_answer: Callable[[], Awaitable[object]] | None = None

    async def list_customers(self, request: web.Request) -> web.Response:
        """GET /v1/customers?segment="""
        if self._refuse(request):
            return web.Response(status=503)
        members = self.members.get(request.query["segment"], [])
        begin = int(request.query.get("after", "0"))
        end = min(begin + min(self.page, int(request.query["first"])), len(members))
        items = [
            {"customer_id": str(customer), "anchor_id": str(anchor), "since": START.isoformat()}
            for customer, anchor in members[begin:end]
        ]
        following = str(end) if end < len(members) else None
        return web.json_response({"items": items, "next": following, "total_count": len(members)})

    async def get_conversions(self, request: web.Request) -> web.Response:
        """POST /v1/conversions:batchGet"""
        if self._refuse(request):
            return web.Response(status=503)
        body = await request.json()
        assert len(body["windows"]) <= 1000
        self.asked.append(body)
        conversions = [self._convert(window) for window in body["windows"]]
        if self.before_answer is not None:
            await self.before_answer()
        return web.json_response({"conversions": conversions})

    def _refuse(self, request: web.Request) -> bool:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(token, options={"verify_signature": False})
        assert (claims["iss"], claims["scope"]) == ("service:campaign", "profile:read")
        return self.is_down

    def _convert(self, window: dict[str, str]) -> dict[str, Any]:
        begin, end = datetime.fromisoformat(window["from"]), datetime.fromisoformat(window["until"])
        bought = [
            amount
            for customer, at, amount in self.purchases
            if customer == UUID(window["customer_id"]) and begin <= at < end
        ]
        return {"key": window["key"], "count": len(bought), "sum": str(sum(bought, Decimal(0)))}


SEND: dict[str, Any] = {"kind": "send", "channel": "email", "template_key": "come_back", "topic": "marketing"}


def journey(*steps: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A journey's body: dormant customers, a fifth held out, a mail."""
    base: dict[str, Any] = {
        "name": "Come back",
        "campaign_key": "dormant",
        "trigger": {"kind": "segment_entered", "segment_key": "going_dormant"},
        "reentry": {"once": True},
        "steps": list(steps)
        or [
            {"key": "control", "kind": "holdout", "percent": 20, "next": "offer"},
            {"key": "offer", **SEND, "next": "done"},
            {"key": "done", "kind": "end"},
        ],
    }
    return base | changes


class Marketer:
    """Somebody who sets campaigns up over REST."""

    def __init__(self, service: RunningService) -> None:
        self._service = service

    async def put(self, path: str, body: dict[str, Any]) -> Any:
        """PUT that must succeed."""
        response = await self._service.client.put(path, json=body, headers=self._service.headers())
        assert response.status_code in {200, 201}, response.text
        return response.json()

    async def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """POST that must succeed."""
        response = await self._service.client.post(path, json=body, headers=self._service.headers())
        assert response.status_code in {200, 202}, response.text
        return response.json()

    async def get(self, path: str) -> Any:
        """GET that must succeed."""
        response = await self._service.client.get(path, headers=self._service.headers())
        assert response.status_code == 200, response.text
        return response.json()

    async def set_up(self, key: str = "winback", **definition: Any) -> None:
        """Campaign and published journey."""
        await self.put(
            "/v1/campaigns/dormant",
            {"name": "Dormant", "goal": {"event": "Order Completed", "sum_property": "revenue", "window_days": 14}},
        )
        await self.publish(key, journey(*definition.pop("steps", ()), **definition))

    async def publish(self, key: str, body: dict[str, Any]) -> None:
        """Write and publish a journey."""
        await self.put(f"/v1/journeys/{key}", body)
        await self.post(f"/v1/journeys/{key}:publish")

    async def runs(self, customer: UUID) -> list[dict[str, Any]]:
        """The customer's runs, newest first."""
        answer = await self.post("/v1/journeys:batchGet", {"customer_ids": [str(customer)]})
        runs: list[dict[str, Any]] = answer["customers"][0]["journeys"]
        return runs


def entered(
    customer: UUID | None = None,
    *,
    anchor: UUID | None = None,
    at: datetime = START,
    reason: Any = "event",
    **fields: Any,
) -> SegmentEntered:
    """A customer goes dormant."""
    return SegmentEntered(**_segment_fact(customer or uuid4(), anchor, at, reason))


def exited(customer: UUID, *, anchor: UUID | None = None, at: datetime = START) -> SegmentExited:
    """A customer is dormant no more."""
    return SegmentExited(**_segment_fact(customer, anchor, at, "event"))


def _segment_fact(customer: UUID, anchor: UUID | None, at: datetime, reason: str) -> dict[str, Any]:
    return {
        "event_id": uuid4(),
        "customer_id": customer,
        "anchor_id": anchor or customer,
        "occurred_at": at,
        "segment_id": UUID(int=1),
        "segment_key": "going_dormant",
        "segment_version": 1,
        "reason": reason,
    }


Settle = Callable[[], Awaitable[None]]


def later(**duration: float) -> timedelta:
    """A duration, short to write."""
    return timedelta(**duration)


def event(name: str, *, at: datetime = START, **properties: Any) -> ResolvedEvent:
    """Some customer does something."""
    customer = uuid4()
    return ResolvedEvent(
        event_id=uuid4(),
        customer_id=customer,
        anchor_id=customer,
        occurred_at=at,
        source_id="shop",
        message_id=str(uuid4()),
        kind="track",
        name=name,
        received_at=at,
        properties=properties,
    )
