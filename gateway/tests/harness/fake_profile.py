"""Profile's answers beside a customer's own, for the fake services."""

from collections.abc import Callable
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import JSONResponse, Response

MOMENT = "2026-11-20T03:00:00+00:00"
ID = "0a4f6d5e-0000-4000-8000-00000000000b"
PURPOSE = "anniversary-reminder"
VERSIONS = 30


def relations_of(customer_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """What the customer gave for this purpose, if it is the one."""
    wedding = {
        "relation_id": ID, "customer_id": customer_id, "relation": "wife", "occasion": "wedding",
        "date": "--03-14", "purpose": PURPOSE, "source_id": "crm", "given_at": MOMENT, "ends_at": None,
    }  # fmt: skip
    return {"relations": [wedding] if body["purpose"] == PURPOSE else []}


def sign_of_customer() -> dict[str, Any]:
    """A sign that everybody shows."""
    return {
        "key": "moving", "name": "Moving", "meaning": "Will move.", "strength": "strong", "detected_at": MOMENT,
        "renewed_at": MOMENT, "expires_at": None,
    }  # fmt: skip


def remarks_of(_customer_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """A remark on each topic asked for, or on one."""
    remarks = [
        {"event_id": ID, "occurred_at": MOMENT, "source_id": "blogs", "text": "絆はよい", "url": None, "language": "ja",
         "site": None, "topics": [{"key": key, "name": key, "kind": "own"}], "opinion": "positive"}
        for key in body.get("topics", ["kizuna"])
    ]  # fmt: skip
    return {"remarks": remarks[: body["first"]]}


def answer_of_profile(
    method: str, path: str, body: dict[str, Any], query: QueryParams, somebody: str
) -> Response | None:
    """What profile answers there; None for what this fake does not know."""
    if path == "/v1/conditions/schema":
        return JSONResponse({"$defs": {}, "big": 12345678901234567890123})
    if path == "/v1/segments:preview":
        answer = {"count": 3, "low": 1, "high": 5, "total": 30, "share": 0.1, "sample": [somebody]}
        return JSONResponse(answer | {"is_estimate": body["mode"] == "estimate"})
    if path == "/v1/segments:overlaps":
        pair = dict(zip("ab", query.getlist("key"), strict=False))
        return JSONResponse({"pairs": [pair | {"a_size": 3, "b_size": 2, "both": 1, "only_a": 2, "only_b": 1}]})
    if path.endswith(("Members", "/days", "/versions", "/insights")) and path.startswith("/v1/segments/"):
        return _of_segment(path.rsplit("/", 1)[-1], body, query)
    if path.startswith("/v1/customers/") and "/relations/" in path:
        return _relation(method, path, body)
    if path.startswith("/v1/policy") or path == "/v1/circulation":
        return _policy(path, body, query)
    if path in {"/v1/rfm", "/v1/totals"} or path.startswith(("/v1/cut-points", "/v1/next-categories")):
        return _scheduled(method, path, body, query)
    if path in {"/v1/ranks/default", "/v1/lifecycle"} or path.startswith("/v1/computed-traits"):
        return _computed(method, path, body)
    if path.startswith("/v1/signs"):
        return _of_sign(method, path, body, somebody)
    return _listed(method, path, body, query)


def _relation(method: str, path: str, body: dict[str, Any]) -> Response:
    if method == "DELETE":
        return Response(status_code=204)
    customer_id, relation_id = path.split("/")[3], path.split("/")[5]
    kept = relations_of(customer_id, {"purpose": PURPOSE})["relations"][0]
    return JSONResponse(kept | {"relation_id": relation_id} | body, status_code=201)


def _policy(path: str, body: dict[str, Any], query: QueryParams) -> Response:
    if path.endswith(":explain"):
        decided = {"effect": "deny", "because": "rule", "position": 0, "rule": {"effect": "deny"}, "version": 3}
        return JSONResponse(decided)
    if path == "/v1/circulation":
        result = {"events": 2, "customers": 1, "revenue": "10.50"}
        results = {"key": query.get("segment", "x"), "members": 3, "is_too_large": False, "messages_sent": None}
        results |= {"links_clicked": None, "purchases": result}
        given = [{"begins_on": "2026-11-01", "department": None, "kind": "event", "count": 5_000_000_000}]
        used = [{"reader": "crm", "giver": "sales", "kind": "trait", "count": 4}]
        use = {"key": "x", "name": "X", "department": "crm", "drawn_from": ["sales"], "entered": 3}
        days = {"first_day": "2026-11-01", "last_day": "2026-11-20"}
        return JSONResponse(days | {"given": given, "used": used, "segments": [use], "results": results})
    row = {"version": 3, "default": "allow", "rules": [{"effect": "deny"}], "changed_at": MOMENT, "changed_by": "a"}
    row |= {"why": "w"} | body
    return _page([row], query) if path.endswith("/versions") else JSONResponse(row)


def _computed(method: str, path: str, body: dict[str, Any]) -> Response:
    if method == "DELETE":
        return Response(status_code=204)
    if path == "/v1/ranks/default":
        rank = {"key": "gold", "name": "Gold", "condition": None, "threshold": "1000", "size": 3}
        return JSONResponse({"ranks": [rank], "measure": body.get("measure", {"kind": "points"}), "version": 1})
    if path == "/v1/lifecycle":
        state = {"key": "new", "condition": {"kind": "and"}}
        return JSONResponse({"definition": {"dormant_days": 240} | body, "states": [state], "version": 1})
    trait: dict[str, Any] = {
        "key": "ltv",
        "name": "LTV",
        "description": None,
        "unit": "USD",
        "value": {},
        "points": None,
    }
    trait |= {"version": 1, "updated_at": MOMENT} | body
    if path.endswith(":presets"):
        preset: dict[str, Any] = {
            "key": "ltv",
            "name": "LTV",
            "description": "d",
            "unit": None,
            "value": {},
            "source": "docs",
        }
        return JSONResponse({"items": [preset]})
    return JSONResponse({"items": [trait], "withheld": True} if path.endswith("s") else trait)


def _of_sign(method: str, path: str, body: dict[str, Any], somebody: str) -> Response:
    if path == "/v1/signs":
        return JSONResponse({"items": [_SIGN], "withheld": False})
    if path.endswith(":coverage"):
        share = {"key": "moving", "name": "Moving", "strength": "strong", "customers": 3, "share": 0.1}
        whole = {"customers": 30, "in_a_situation": 3, "share": 0.1, "withheld": False}
        return JSONResponse(whole | {"signs": [share]})
    if path.endswith("/customers"):
        showing = {"customer_id": somebody, "anchor_id": ID, "detected_at": MOMENT, "renewed_at": MOMENT}
        return JSONResponse({"items": [showing], "next": None})
    if path.endswith("/versions"):
        version = _SIGN | {"version": 2, "published_at": MOMENT, "published_by": "a", "why": "w"}
        return JSONResponse({"items": [version], "next": None})
    if path.endswith("/precision"):
        figures = {"detected": 4, "followed": 2, "rate": 0.5, "base_rate": 0.1, "lift": 5.0}
        return JSONResponse({"key": "moving", "first_day": "2026-11-01", "last_day": "2026-11-20"} | figures)
    return JSONResponse(_SIGN | (body if method == "PUT" else {"status": "published"}))


def _of_segment(what: str, body: dict[str, Any], query: QueryParams) -> Response:
    if what == "days":
        days = [{"day": query.get("first_day", "2026-11-20"), "size": 3, "entered": {"event": 2}, "exited": {}}]
        return JSONResponse({"days": days})
    if what == "versions":
        rows: list[dict[str, Any]] = [
            {"version": number, "condition": {}, "published_at": MOMENT, "published_by": "a", "why": None}
            for number in range(VERSIONS, 0, -1)
        ]
        return _page(rows, query)
    if what == "insights":
        cell = {"dataset": "census", "dimensions": {"band": "30s"}, "cell_size": 120, "measures": {"income": 1}}
        return JSONResponse({"segment": "x", "datasets": [_DATASET], "cells": [cell], "next": None})
    outcome = "added" if what.endswith("addMembers") else "removed"
    return JSONResponse({"results": [{"customer_id": one, "outcome": outcome} for one in body["customer_ids"]]})


def explanations_of(customer_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """Two words that lost and one that won on each trait asked for; nothing on the trait `unsaid`."""
    return {"traits": [_explanation(customer_id, name, body) for name in body["names"] if name != "unsaid"]}


def _explanation(customer_id: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    first, after = body["first"], int(body.get("after", "0"))
    said = [
        {"event_id": ID, "value": "東京" if number == 1 else "大阪", "source_id": "crm" if number == 1 else "shop",
         "department": "sales", "brand": None, "legal_entity": None, "observed_at": MOMENT, "received_at": MOMENT,
         "lost_because": None if number == 1 else "less_trusted", "retracted": None, "cursor": str(number + 1)}
        for number in range(3)
    ]  # fmt: skip
    answer = {"customer_id": customer_id, "name": name, "value": "東京", "policy": "most_trusted"}
    return answer | {"observations": said[after : after + first], "has_more": after + first < 3}


def next_categories_of(_customer_id: str, body: dict[str, Any]) -> dict[str, Any]:
    """What everybody is likeliest to buy next."""
    return {"categories": [_LIFT] * min(2, body["first"])}


def _scheduled(method: str, path: str, body: dict[str, Any], query: QueryParams) -> Response:
    if method == "DELETE":
        return Response(status_code=204)
    if path == "/v1/totals":
        return JSONResponse(_TOTALS)
    if path == "/v1/rfm":
        rules: dict[str, Any] = {"event": "Order Completed", "property": "revenue", "where": [], "window": None}
        return JSONResponse({"definition": rules | body, "version": 1})
    if path == "/v1/cut-points":
        return JSONResponse({"items": [_SCHEDULE]})
    if path.endswith("/versions"):
        return _page([_CUTS | {"version": number} for number in (2, 1)], query)
    if path.startswith("/v1/cut-points/"):
        subject = path.removeprefix("/v1/cut-points/").removesuffix(":cut")
        return JSONResponse(_SCHEDULE | {"subject": subject} | body)
    if path.endswith("/lifts"):
        return JSONResponse({"items": [_LIFT | {"from_category": query.get("from_category", "washers")}]})
    return JSONResponse({**_LIFT_SETTINGS, "definition": _LIFT_SETTINGS["definition"] | body})


def _listed(method: str, path: str, body: dict[str, Any], query: QueryParams) -> Response | None:
    if method == "DELETE":
        return Response(status_code=204)
    if path.endswith(":retract"):
        return JSONResponse(_RETRACTION | {"source_id": body["source_id"], "why": body["why"]}, status_code=201)
    if method == "GET" and path in {"/v1/traits", "/v1/insights", "/v1/anonymised-exports"}:
        return _page([_ROWS[path]], query)
    if path.startswith("/v1/remark-topics"):
        if path.endswith("/days"):
            day = {"day": "2026-11-20", "remarks": 3, "customers": 2, "positive": 1, "negative": 0}
            return JSONResponse({"days": [day]})
        return JSONResponse(_TOPIC | body if "/v1/remark-topics/" in path else {"items": [_TOPIC], "is_reading": False})
    if path.startswith("/v1/remark-opinions/"):
        return JSONResponse({"opinion": path.rsplit("/", 1)[-1], "words": {"any": ["good"]}, "revision": 1} | body)
    if path.endswith("/reads"):
        return _page([{"read_by": "hanako", "department": "sales", "read_at": MOMENT}], query)
    if path.startswith("/v1/retractions/"):
        return JSONResponse(_RETRACTION)
    if path.startswith(("/v1/anonymised-exports", "/v1/insights/")):
        return JSONResponse(_EXPORT if "exports" in path else _DATASET | body)
    return None


def _page(rows: list[dict[str, Any]], query: QueryParams) -> Response:
    first, after = int(query["first"]), int(query.get("after", "0"))
    more = after + first < len(rows)
    return JSONResponse({"items": rows[after : after + first], "next": str(after + first) if more else None})


_SIGN: dict[str, Any] = {
    "sign_id": ID, "key": "moving", "name": "Moving", "meaning": "Will move.", "condition": {}, "withheld": False,
    "strength": "strong", "lifetime_days": 30, "outcome": None, "status": "draft", "is_edited": True, "revision": 1,
    "version": 0, "published_at": None, "archived_at": None,
}  # fmt: skip
_SCHEDULE: dict[str, Any] = {
    "subject": "monetary", "every": "week", "day": 1, "at": "03:00", "next_at": MOMENT, "version": 2,
    "taken_at": MOMENT, "revision": 4,
}  # fmt: skip
_CUTS: dict[str, Any] = {
    "version": 2, "taken_at": MOMENT, "until": MOMENT, "kind": "number", "customers": 30, "value": {"kind": "events"},
    "at_least": {"80": "1000"}, "at_most": {"20": "10"},
}  # fmt: skip
_LIFT: dict[str, Any] = {
    "to_category": "refrigerators", "from_category": "washers", "customers": 40, "support": 0.1, "confidence": 0.4,
    "lift": 2.5,
}  # fmt: skip
_LIFT_SETTINGS: dict[str, Any] = {
    "definition": {"event": "Order Completed", "property": "category", "days": 1095, "minimum_customers": 20,
                   "minimum_lift": 1.0, "recent": 5, "every": "week", "day": None, "at": "03:00"},
    "next_at": MOMENT, "taken_at": None, "version": 0, "revision": 1,
}  # fmt: skip
_TOTALS: dict[str, Any] = {
    "customers": 5_000_000_000, "events": 9, "purchases": None, "revenue": None, "purchases_simulated": 0,
    "revenue_simulated": "0", "currency": "JPY", "withheld": True,
}  # fmt: skip
_TOPIC: dict[str, Any] = {
    "key": "kizuna", "name": "Kizuna", "kind": "own", "keywords": {"ja": ["絆"]}, "exclude": {}, "revision": 1,
}  # fmt: skip
_TRAIT: dict[str, Any] = {
    "name": "city", "type": "text", "policy": "most_trusted", "trusted": [{"source": "crm"}, {"department": "sales"}],
    "description": None, "is_sensitive": False, "labels": [], "revision": 2, "updated_at": MOMENT, "status": "folded",
    "refolded": 0,
}  # fmt: skip
_RETRACTION: dict[str, Any] = {
    "retraction_id": ID, "name": "city", "source_id": "crm", "is_for_everybody": False, "until": MOMENT, "why": "wrong",
    "asked_by": "somebody", "requested_at": MOMENT, "retracted": 1, "finished_at": MOMENT,
}  # fmt: skip
_DATASET: dict[str, Any] = {
    "key": "census", "title": "Census", "supplier": "S", "purpose": "p", "hypothesis": "h", "licence": "l",
    "segment_keys": ["dormant"], "dimensions": ["band"],
    "measures": [{"name": "income", "kind": "number", "unit": "JPY"}],
    "minimum_cell_size": 100, "expires_at": MOMENT, "status": "usable", "revision": 1, "created_by": "a",
    "imported_by": "a", "imported_at": MOMENT, "cells": 1,
}  # fmt: skip
_EXPORT: dict[str, Any] = {
    "export_id": ID, "state": "done", "created_by": "a", "department": "sales", "created_at": MOMENT,
    "finished_at": MOMENT, "expires_at": MOMENT, "problem": None,
    "definition": {"columns": [], "k": None, "keep_days": 30, "provision": "SFTP", "purpose": "p", "recipient": "r",
                   "rounding": 5, "segment": None, "shape": "counts"},
    "publication": {"statement": "s", "item_categories": ["age"], "provision": "SFTP"},
    "figures": {"customers": 30, "published": 20, "suppressed_share": 0.3, "cells": 2, "k_reached": 10},
}  # fmt: skip
_ROWS = {"/v1/traits": _TRAIT, "/v1/insights": _DATASET, "/v1/anonymised-exports": _EXPORT}
OF_CUSTOMER: dict[str, Callable[[str, dict[str, Any]], dict[str, Any]]] = {
    "/v1/relations:batchGet": relations_of,
    "/v1/remarks:batchGet": remarks_of,
    "/v1/trait-observations:batchGet": explanations_of,
    "/v1/next-categories:batchGet": next_categories_of,
}
"""By path what is answered about one customer of a batch, given the batch's body."""
