"""The five services' REST contract, spoken by one small server: what the gateway asks, and answers of the real shape.

The contract itself is held against the real services in tests/e2e; here it is only a counterpart that can be told to
fail.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from fake_identity import answer_of_identity, decisions_of, export, graph  # beside this file
from fake_profile import OF_CUSTOMER, answer_of_profile, sign_of_customer  # as before
from starlette.applications import Starlette
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

NAMESPACE = UUID("6f1c3c7e-0000-4000-8000-000000000000")
MOMENT = "2026-11-20T03:00:00+00:00"


def identifier(*parts: object) -> str:
    """A stable id for a thing of this fake."""
    return str(uuid5(NAMESPACE, "/".join(str(part) for part in parts)))


def customer(number: int) -> str:
    """The id of the fake's n-th customer."""
    return identifier("customer", number)


@dataclass
class Call:
    """One request a service received."""

    service: str
    method: str
    path: str
    body: Any
    headers: dict[str, str]
    query: QueryParams


@dataclass
class FakeServices:
    """Answers like the services; `failures` by service name change that."""

    customers: int = 30
    calls: list[Call] = field(default_factory=list)
    failures: dict[str, Callable[[], Awaitable[Response]]] = field(default_factory=dict)
    former: dict[str, str] = field(default_factory=dict)
    """Former customer id -> present one."""
    visible: dict[str, set[str]] = field(default_factory=dict)
    """Token -> customers it may see (all when it is not listed)."""
    withdrawn: set[tuple[str, str]] = field(default_factory=set)
    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    withheld: bool = False
    """What profile's batches say of the policy."""

    @property
    def app(self) -> Starlette:
        """One app; every service below a path of its own."""
        return Starlette(
            routes=[Route("/{service}/{path:path}", self._handle, methods=["GET", "POST", "PUT", "DELETE"])]
        )

    def paths(self) -> list[str]:
        """What was asked, e.g. `profile POST /v1/customers:batchGet`."""
        return [f"{call.service} {call.method} {call.path}" for call in self.calls]

    async def _handle(self, request: Request) -> Response:
        service, path = request.path_params["service"], "/" + request.path_params["path"]
        content = await request.body()
        body = json.loads(content) if content else {}
        self.calls.append(Call(service, request.method, path, body, dict(request.headers), request.query_params))
        if service in self.failures:
            return await self.failures[service]()
        if not request.headers.get("authorization", "").startswith("Bearer "):
            return problem(401, "no token")
        if path.endswith("/export"):
            return export(service, path.split("/")[3])
        if path.endswith(":batchGraph"):
            return JSONResponse({"customers": [self._graph(one) for one in body["customer_ids"]]})
        if path.endswith(":batchGet"):
            token = request.headers["authorization"].removeprefix("Bearer ")
            entries = [self._entry(service, path, one, body, token) for one in body["customer_ids"]]
            return JSONResponse({"customers": entries} | ({"withheld": self.withheld} if service == "profile" else {}))
        return self._other(service, request, path, body)

    def _entry(self, service: str, path: str, one: str, body: dict[str, Any], token: str) -> dict[str, Any]:
        known = one in {customer(number) for number in range(self.customers)}
        if token in self.visible and one not in self.visible[token]:
            known = False
        entry = {"customer_id": one}
        if path == "/v1/decisions:batchGet":
            return entry | decisions_of(one, body)
        if service == "identity":
            present = self.former.get(one, one if known else None)
            return entry | {
                "current_customer_id": present,
                "created_at": MOMENT if present else None,
                "identifiers": _identifiers(one) if present else [],
            }
        if not known:
            return entry
        if path == "/v1/timelines:batchGet":
            return entry | _timeline(one, first=body["first"], after=body.get("after"))
        if path == "/v1/messages:batchGet":
            return entry | {"messages": [_message(one, number) for number in range(min(5, body["first"]))]}
        if path in OF_CUSTOMER:
            return entry | OF_CUSTOMER[path](one, body)
        if path == "/v1/permissions:batchGet":
            status = "withdrawn" if (one, "marketing") in self.withdrawn else "granted"
            return entry | {"permissions": [_permission(one, status)]}
        return entry | _FIXED[(service, path)](one)

    def _graph(self, one: str) -> dict[str, Any]:
        known = {customer(number) for number in range(self.customers)}
        present = self.former.get(one, one if one in known else None)
        return graph(one, present=present, former=[was for was, now in self.former.items() if now == present])

    def _other(self, service: str, request: Request, path: str, body: dict[str, Any]) -> Response:
        if service == "identity":
            customers = [customer(number) for number in range(self.customers)]
            answer = answer_of_identity(request.method, path, body, request.query_params, customers)
            if answer is not None:
                return answer
        if service == "profile":
            answer = answer_of_profile(request.method, path, body, request.query_params, customer(3))
            if answer is not None:
                return answer
        if path == "/v1/identifiers:batchLookup":
            return JSONResponse({"identifiers": [row | _owner(row, self.customers) for row in body["identifiers"]]})
        if path == "/v1/customers":
            return self._list(request)
        if path == "/v1/permissions:withdraw":
            self.withdrawn.add((body["customer_id"], body["topic"]))
            return JSONResponse({})
        if path in _RESOURCES:
            return JSONResponse(_RESOURCES[path])
        return self._definition(request.method, path, body)

    def _list(self, request: Request) -> Response:
        first, after = int(request.query_params["first"]), int(request.query_params.get("after", "0"))
        count = 3 if "segment" in request.query_params else self.customers
        since = {"since": MOMENT} if "segment" in request.query_params else {}
        rows = [{"customer_id": customer(number)} | since for number in range(after, min(count, after + first))]
        more = after + first < count
        return JSONResponse({"items": rows, "next": str(after + first) if more else None, "total_count": count})

    def _definition(self, method: str, path: str, body: dict[str, Any]) -> Response:
        if method == "PUT":
            if "condition" in body and body["condition"].get("kind") == "nonsense":
                return problem(422, "does not fit", errors=[{"field": "condition.kind", "detail": "unknown kind"}])
            version = self.definitions.get(path, {}).get("version", 0) + 1
            kept = {"status": "draft", "version": version, "policy": "latest", "revision": version}
            name = path.rsplit("/", 1)[-1]
            self.definitions[path] = (
                {"updated_at": MOMENT} | body | kept | {"key": name, "name": body.get("name", name)}
            )
            return JSONResponse(self.definitions[path], status_code=201 if version == 1 else 200)
        if method == "POST" and path.endswith(":publish"):
            self.definitions[path.removesuffix(":publish")]["status"] = "published"
            return JSONResponse(self.definitions[path.removesuffix(":publish")])
        if path in self.definitions:
            return JSONResponse(self.definitions[path])
        return problem(404, "There is no such thing.")


def problem(status: int, detail: str, *, errors: list[dict[str, str]] | None = None) -> Response:
    """A problem+json answer."""
    body: dict[str, Any] = {"type": "about:blank", "title": "Refused", "status": status, "detail": detail}
    return JSONResponse(
        body | ({"errors": errors} if errors else {}), status_code=status, media_type="application/problem+json"
    )


def answering(status: int) -> Callable[[], Awaitable[Response]]:
    """A service that refuses everything with this status."""

    async def answer() -> Response:
        return problem(status, f"refused with {status}")

    return answer


def hanging(seconds: float) -> Callable[[], Awaitable[Response]]:
    """A service that is slow."""

    async def answer() -> Response:
        await asyncio.sleep(seconds)
        return problem(503, "late")

    return answer


def saying(content: bytes) -> Callable[[], Awaitable[Response]]:
    """A service that answers something else."""

    async def answer() -> Response:
        return Response(content, media_type="application/json")

    return answer


def _identifiers(one: str) -> list[dict[str, Any]]:
    return [
        {
            "anchor_id": identifier(one, name),
            "namespace": name,
            "value": f"{name}-{one[:4]}",
            "source_id": "crm",
            "linked_at": MOMENT,
        }
        for name in ("user_id", "email", "phone")
    ]


def _profile(one: str) -> dict[str, Any]:
    return {
        "traits": [
            {
                "name": name,
                "value": value,
                "source_id": "crm",
                "department": "sales",
                "brand": None,
                "legal_entity": "Kizuna K.K.",
                "observed_at": MOMENT,
            }
            for name, value in (
                ("first_name", "花子"),
                ("age", 42),
                ("address", {"city": "東京"}),
                ("newsletter", True),
            )
        ],
        "rfm": {"recency_days": 12, "frequency": 7, "monetary": "184.20", "currency": "USD"},
        "rank": {"key": "gold", "name": "Gold", "since": MOMENT},
        "rfm_scores": {"recency": 5, "frequency": 4, "monetary": None},
        "points": "1200.50",
        "next_rank": {"key": "platinum", "name": "Platinum", "missing": "799.50"},
        "lifecycle": "loyal",
        "computed": {"lifetime_value": 1200.5},
        "segments": [
            {"segment_id": identifier("segment", key), "key": key, "name": key.title(), "since": MOMENT}
            for key in ("dormant", "loyal")
        ],
        "signs": [sign_of_customer()],
    }


def _timeline(one: str, *, first: int, after: str | None, total: int = 50) -> dict[str, Any]:
    start = int(after or 0)
    events = [
        {
            "event_id": identifier(one, "event", number),
            "name": "Order Completed",
            "kind": "track",
            "source_id": "shop",
            "occurred_at": MOMENT,
            "properties": {
                "order_id": str(number),
                "revenue": 29.33,
                "currency": "USD",
                "products": [{"sku": "cd", "quantity": 2}],
            },
            "cursor": str(number + 1),
        }
        for number in range(start, min(total, start + first))
    ]
    return {"events": events, "has_more": start + first < total, "total_count": total}


def _message(one: str, number: int) -> dict[str, Any]:
    return {
        "message_id": identifier(one, "message", number),
        "campaign_key": "win-back",
        "template_key": "coupon",
        "channel": "email",
        "subject": "お久しぶりです",
        "state": "opened",
        "requested_at": MOMENT,
        "sent_at": MOMENT,
        "opened_at": MOMENT,
        "clicked_at": None,
        "failure_reason": None,
    }


def _permission(one: str, status: str) -> dict[str, Any]:
    return {
        "anchor_id": identifier(one, "email"),
        "channel": "email",
        "topic": "marketing",
        "status": status,
        "basis": "opt_in_form",
        "recorded_at": MOMENT,
    }


def _responses(one: str) -> dict[str, Any]:
    return {
        "responses": [
            {
                "response_id": identifier(one, "response"),
                "questionnaire_key": "nps",
                "answered_at": MOMENT,
                "nps_score": 9,
                "answers": [{"question_key": "score", "value": 9}, {"question_key": "why", "value": "the staff"}],
            }
        ]
    }


def _commitments(one: str) -> dict[str, Any]:
    return {
        "commitments": [
            {
                "commitment_id": identifier(one, "commitment"),
                "kind": "tell_me_first",
                "subject": "new_arrivals",
                "status": "open",
                "owner_department": "crm",
                "due_on": "2026-12-01",
                "made_at": MOMENT,
            }
        ]
    }


def _journeys(one: str) -> dict[str, Any]:
    return {
        "journeys": [
            {
                "run_id": identifier(one, "run"),
                "journey_key": "win-back",
                "journey_name": "Win back",
                "campaign_key": "win-back",
                "arm": "treatment",
                "step": "wait",
                "status": "waiting",
                "started_at": MOMENT,
                "wake_at": MOMENT,
                "ended_at": None,
                "outcome": None,
            }
        ]
    }


_FIXED: dict[tuple[str, str], Callable[[str], dict[str, Any]]] = {
    ("profile", "/v1/customers:batchGet"): _profile,
    ("survey", "/v1/responses:batchGet"): _responses,
    ("survey", "/v1/commitments:batchGet"): _commitments,
    ("campaign", "/v1/journeys:batchGet"): _journeys,
}

_RESOURCES: dict[str, dict[str, Any]] = {
    "/v1/segments": {"items": [{"key": "dormant", "name": "Dormant", "status": "published", "version": 2, "size": 3}]},
    "/v1/campaigns": {"items": [{"key": "win-back", "name": "Win back", "version": 1, "creative_keys": ["coupon"]}]},
    "/v1/campaigns/win-back": {
        "key": "win-back",
        "name": "Win back",
        "version": 1,
        "goal": {"event": "Order Completed", "sum_property": "revenue", "window_days": 30},
        "creative_keys": ["coupon"],
    },
    "/v1/campaigns/win-back/results": {
        "campaign_key": "win-back",
        "treatment": {
            "customers": 80,
            "purchasers": 20,
            "purchases": 25,
            "revenue": "812.10",
            "reached": 70,
            "opened": 40,
            "clicked": 9,
            "failed": 1,
        },
        "holdout": {"customers": 20, "purchasers": 3, "purchases": 3, "revenue": "91.00"},
        "lift": {
            "metric": "conversion_rate",
            "treatment": 0.25,
            "holdout": 0.15,
            "difference": 0.1,
            "low": -0.05,
            "high": 0.25,
            "relative": 0.66,
            "confidence": 0.95,
        },
        "revenue_lift": {"difference": "5.60", "low": "-2.10", "high": "13.30"},
        "mixed": 0,
        "as_of": MOMENT,
    },
    "/v1/questionnaires": {"items": [{"key": "nps", "title": "How are we doing?", "language": "ja", "version": 1}]},
    "/v1/nps": {"responses": 10, "promoters": 6, "passives": 3, "detractors": 1, "nps": 50.0},
    "/v1/coverage": {
        "invited": 20,
        "answered": 10,
        "coverage": 0.5,
        "customers": 30,
        "known": 28,
        "linked": 20,
        "identifiers": 77,
        "accepted_events": 900,
        "rejected_events": 2,
        "duplicate_events": 1,
    },
}


def _owner(row: dict[str, str], customers: int) -> dict[str, Any]:
    """`user_id` n belongs to customer n."""
    number = row["value"]
    known = row["namespace"] == "user_id" and number.isdigit() and int(number) < customers
    return {
        "customer_id": customer(int(number)) if known else None,
        "anchor_id": identifier("anchor", number) if known else None,
    }
