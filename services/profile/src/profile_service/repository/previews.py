"""Trying a condition: what it would cost, exactly who fulfils it, or how it goes for a random sample."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from profile_service.conditions import CompiledConditions
from servicekit.database import raw

COUNTED_EXACTLY = 200_000
"""Up to so many customers (by the statistics) are counted. Their rows change all the time: counting reads the table."""

SCAN_MEMORY = "SET LOCAL work_mem = '128MB'"
"""For a statement over everybody, until its transaction ends: grouping a million customers in 16 MB goes by disk."""

_EVENT_NAME = re.compile(r"\bname = '((?:[^']|'')*)'::text")


@dataclass(frozen=True)
class Cost:
    """The planner's estimate of a statement: cost in its own units, and the part that costs most."""

    total: float
    relation: str
    rows: int
    """Of that part."""
    event: str | None
    """The name of the events read there, if it is one."""


async def estimate_cost(session: AsyncSession, compiled: CompiledConditions, *, now: datetime) -> Cost:
    """Ask the planner, which reads statistics only."""
    answer = await (await raw(session)).fetchval(f"EXPLAIN (FORMAT JSON) {compiled.sql}", now, *compiled.parameters)
    plan = (json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]
    reads = [node for node in _nodes(plan) if "Relation Name" in node]
    dearest = max(reads, key=lambda node: float(node["Total Cost"]), default={})
    name = _EVENT_NAME.search(
        f"{dearest.get('Index Cond', '')} {dearest.get('Recheck Cond', '')} {dearest.get('Filter', '')}"
    )
    return Cost(
        total=float(plan["Total Cost"]),
        relation=str(dearest.get("Relation Name", "")),
        rows=int(dearest.get("Plan Rows", 0)),
        event=name.group(1).replace("''", "'") if name else None,
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


async def count_customers(session: AsyncSession) -> tuple[int, bool]:
    """How many customers there are, and whether that was counted; very many are not, the statistics are near enough."""
    connection = await raw(session)
    estimated = await connection.fetchval("SELECT reltuples::bigint FROM pg_class WHERE oid = 'customers'::regclass")
    if estimated > COUNTED_EXACTLY:
        return estimated, False
    return await connection.fetchval("SELECT count(*) FROM customers"), True


async def count_matching(
    session: AsyncSession, compiled: CompiledConditions, *, now: datetime, sample: int
) -> tuple[int, list[UUID]]:
    """How many customers fulfil a condition (compiled for members), and a random sample, the same while they are."""
    connection = await raw(session)
    await connection.execute(SCAN_MEMORY)
    limit = f"${2 + len(compiled.parameters)}::int"
    row = await connection.fetchrow(
        f"WITH matching AS MATERIALIZED ({compiled.sql}) "  # noqa: S608  # compiled, with parameters
        "SELECT (SELECT count(*) FROM matching) AS count, "
        f"ARRAY(SELECT customer_id FROM matching ORDER BY uuid_hash_extended(customer_id, 0) LIMIT {limit}) AS sample",
        now, *compiled.parameters, sample,
    )  # fmt: skip
    return row["count"], row["sample"]


async def sample_customers(session: AsyncSession, *, limit: int) -> list[UUID]:
    """Customers at random: the first in the order of a hash of their ids, the same while they are there."""
    rows = await (await raw(session)).fetch(
        "SELECT customer_id FROM customers ORDER BY uuid_hash_extended(customer_id, 0) LIMIT $1", limit
    )
    return [row["customer_id"] for row in rows]


async def matching_among(
    session: AsyncSession, customer_ids: Sequence[UUID], compiled: CompiledConditions, *, now: datetime
) -> list[UUID]:
    """Those of the customers that fulfil a condition (compiled live), in the order given."""
    rows = await (await raw(session)).fetch(
        f"SELECT customer_id FROM ({compiled.sql}) AS live WHERE m0",  # noqa: S608  # compiled, with parameters
        now, list(customer_ids), *compiled.parameters,
    )  # fmt: skip
    matching = {row["customer_id"] for row in rows}
    return [customer_id for customer_id in customer_ids if customer_id in matching]
