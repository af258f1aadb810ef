"""Identity's answers on who is who, and every service's export, for the fake services."""

import json
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response

MOMENT = "2026-11-20T03:00:00+00:00"
JOB = "0a4f6d5e-0000-4000-8000-00000000000a"
CANDIDATES = 30
PAIRS = 5_000_000_000
"""More than 32 bits hold."""
PRECISE = b'{"revenue":0.1000000000000000055511151231257827,"n":12345678901234567890123}'
"""A row that no parser gives back as it came."""


def candidate_id(number: int) -> str:
    """The id of the n-th candidate."""
    return f"0a4f6d5e-0000-4000-8000-{number:012}"


def graph(one: str, *, present: str | None, former: list[str]) -> dict[str, Any]:
    """The identity graph of a customer with two identifiers."""
    answer = {"customer_id": one, "current_customer_id": present, "former_customer_ids": former, "nodes_total": 0}
    empty: dict[str, list[Any]] = {"nodes": [], "edges": [], "held_apart": [], "groups": []}
    if present is None:
        return answer | empty
    evidence = {
        "source_id": "crm", "event_id": JOB, "rule": "same_event", "score": None, "linked_at": MOMENT,
        "legal_entity": "Kizuna K.K.", "purposes": ["service"],
    }  # fmt: skip
    nodes = [
        {"anchor_id": f"{one[:-1]}{end}", "namespace": namespace, "value": namespace, "is_current": True,
         "sources": ["crm", "shop"], "decision_id": None, **evidence}
        for end, namespace in (("a", "user_id"), ("b", "email"))
    ]  # fmt: skip
    edge = {"anchor_id": nodes[0]["anchor_id"], "other_anchor_id": nodes[1]["anchor_id"], **evidence}
    group = {"group_id": "club", "traits": {"name": "Club"}, "joined_at": MOMENT}
    return answer | {"nodes": nodes, "edges": [edge], "held_apart": [], "groups": [group], "nodes_total": 2}


def answer_of_identity(
    method: str, path: str, body: dict[str, Any], query: QueryParams, customers: list[str]
) -> Response | None:
    """What identity answers there; None for what this fake does not know."""
    if path == "/v1/decisions":
        return _page([_decision(number, query.get("customer_id", customers[0])) for number in range(30)], query)
    if path in {"/v1/customers:merge", f"/v1/customers/{customers[0]}:split"}:
        return JSONResponse(_decision(0, customers[0]), status_code=201)
    if path == "/v1/linking/candidates":
        rows = [_candidate(number, customers) for number in range(CANDIDATES)]
        return _page(rows, query)
    if path.startswith("/v1/linking/candidates/"):
        return JSONResponse(_candidate(0, customers) | {"history": []})
    if path == "/v1/linking/runs":
        return _page([_RUN], query)
    if path == "/v1/disclosures":
        return JSONResponse(_disclosure(body["customer_id"], former=customers[1:]), status_code=201)
    if path.endswith(":complete"):
        return JSONResponse(_disclosure(customers[0], former=customers[1:]) | body | {"completed_at": MOMENT})
    return None


def export(service: str, customer_id: str) -> Response:
    """What a service holds: one row that is no number for a float."""
    head = json.dumps({"service": service, "customer_id": customer_id}).encode().rstrip(b"}")
    return Response(head + b',"tables":{"rows":[' + PRECISE + b"]}}", media_type="application/json")


def decisions_of(customer_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """A page of the decisions on a customer."""
    first, after = body["first"], int(body.get("after", "0"))
    rows = [_decision(number, customer_id) for number in range(after, min(30, after + first))]
    return {"items": rows, "next": str(after + first) if after + first < 30 else None}


def _page(rows: list[dict[str, Any]], query: QueryParams) -> Response:
    first, after = int(query["first"]), int(query.get("after", "0"))
    more = after + first < len(rows)
    return JSONResponse({"items": rows[after : after + first], "next": str(after + first) if more else None})


def _decision(number: int, customer_id: str) -> dict[str, Any]:
    return {
        "decision_id": f"0a4f6d5e-0000-4000-8001-{number:012}", "kind": "merge", "customer_id": customer_id,
        "other_customer_ids": [], "rule": "manual", "decided_by": "somebody", "why": f"reason {number}", "score": None,
        "source_id": None, "event_id": None, "rules_version": 1, "decided_at": MOMENT, "undoes": None,
        "undone_by": None, "anchor_ids": [], "anchors": 0, "anchors_left": 0,
    }  # fmt: skip


def _candidate(number: int, customers: list[str]) -> dict[str, Any]:
    return {
        "candidate_id": candidate_id(number), "customer_id": customers[number % 3],
        "other_customer_id": customers[3 + number % 3], "score": 0.8, "state": "review", "contradiction": None,
        "fields": [
            {"field": "birth_date", "value": "1984-03-05", "other_value": "1984-03-05", "written": "1984-03-05",
             "other_written": "昭和59年3月5日", "agreement": "exact", "weight": 9.5}
        ],
        "run_id": JOB, "created_at": MOMENT, "scored_at": MOMENT, "decided_by": None, "decided_at": None, "why": None,
        "decision_id": None,
    }  # fmt: skip


def _disclosure(customer_id: str, *, former: list[str]) -> dict[str, Any]:
    return {
        "disclosure_id": JOB, "customer_id": customer_id, "former_customer_ids": former, "requested_by": "somebody",
        "why": "Request 17.", "requested_at": MOMENT, "services": [], "missing": [], "completed_at": None,
    }  # fmt: skip


_RUN: dict[str, Any] = {
    "run_id": JOB, "job_id": JOB, "kind": "full", "state": "done", "created_by": "somebody", "created_at": MOMENT,
    "started_at": MOMENT, "finished_at": MOMENT, "upper": 0.9, "lower": 0.5, "engine": "duckdb",
    "across_entities": False, "records": 10, "customers": 10, "customers_scored": 10, "pairs_compared": PAIRS,
    "linked": 1, "to_review": 1, "precision_estimate": 0.99, "recall_estimate": 0.9, "estimated_by": None,
    "problem": None,
}  # fmt: skip
