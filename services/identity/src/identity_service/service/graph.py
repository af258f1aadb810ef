"""Customers' graphs: what is linked, by what evidence, and what a rule kept away."""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from identity_service.repository.decisions import resolve_customers
from identity_service.repository.graph import find_graphs
from servicekit.database import raw

NODES_SHOWN = 1000


async def get_graphs(session: AsyncSession, customer_ids: Sequence[UUID]) -> list[dict[str, Any]]:
    """Return each requested customer's graph, in order; former ids are followed, unknown ones have an empty graph."""
    connection = await raw(session)
    now = await resolve_customers(connection, customer_ids)
    parts = await find_graphs(connection, set(now.values()), most=NODES_SHOWN)
    held = {name: _by_holder(rows) for name, rows in parts.items()}
    return [_graph(customer_id, now.get(customer_id), held) for customer_id in customer_ids]


def _by_holder(rows: Iterable[dict[str, Any]]) -> dict[UUID, list[dict[str, Any]]]:
    held: defaultdict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        held[row["holder"]].append(row)
    return held


def _graph(asked: UUID, present: UUID | None, held: dict[str, dict[UUID, list[dict[str, Any]]]]) -> dict[str, Any]:
    def part(name: str) -> list[dict[str, Any]]:
        return [] if present is None else held[name].get(present, [])

    return {
        "customer_id": asked,
        "current_customer_id": present,
        "former_customer_ids": [row["customer_id"] for row in part("former")],
        "nodes": part("nodes"),
        "edges": part("edges"),
        "held_apart": part("held_apart"),
        "groups": [{**row, "traits": json.loads(row["traits"])} for row in part("groups")],
        "nodes_total": sum(row["nodes_total"] for row in part("totals")),
    }
