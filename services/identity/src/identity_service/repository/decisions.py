"""SQL of decisions: a handful of set-wise statements each, however many anchors move."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

_RESOLVE = """
SELECT asked.customer_id AS asked_id, customers.customer_id
FROM unnest($1::uuid[]) AS asked (customer_id)
LEFT JOIN former_customers AS former ON former.customer_id = asked.customer_id
LEFT JOIN identifiers AS oldest ON oldest.anchor_id = former.anchor_id
LEFT JOIN customers
    ON customers.customer_id = coalesce(oldest.customer_id, former.current_customer_id, asked.customer_id)
"""

_LOCK_CUSTOMERS = """
SELECT customer_id, version FROM customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id FOR UPDATE
"""

_LOCK_ANCHORS = """
SELECT count(*) FROM (
    SELECT FROM identifiers WHERE anchor_id = ANY($1::uuid[]) ORDER BY anchor_id FOR UPDATE
) AS locked
"""

_HELD = """
SELECT anchor_id, customer_id, version FROM identifiers WHERE customer_id = ANY($1::uuid[]) ORDER BY anchor_id
"""

_MOVE_ANCHORS = """
UPDATE identifiers SET customer_id = moved.customer_id, version = moved.version
FROM unnest($1::uuid[], $2::uuid[], $3::bigint[]) AS moved (anchor_id, customer_id, version)
WHERE identifiers.anchor_id = moved.anchor_id
"""

_BUMP_CUSTOMERS = """
UPDATE customers SET version = $2 WHERE customer_id = ANY($1::uuid[])
"""

_FOLLOW_ANCHORS = """
UPDATE former_customers SET current_customer_id = moved.customer_id
FROM unnest($1::uuid[], $2::uuid[]) AS moved (anchor_id, customer_id)
WHERE former_customers.anchor_id = moved.anchor_id
"""

_FOLLOW_CUSTOMERS = """
UPDATE former_customers SET current_customer_id = ended.current_customer_id
FROM unnest($1::uuid[], $2::uuid[]) AS ended (customer_id, current_customer_id)
WHERE former_customers.anchor_id IS NULL AND former_customers.current_customer_id = ended.customer_id
"""

_INSERT_LINKS = """
INSERT INTO links (anchor_id, other_anchor_id, source_id, event_id, rule, score, linked_at)
SELECT anchor_id, other_anchor_id, $3, $4, $5, $6, $7
FROM unnest($1::uuid[], $2::uuid[]) AS new (anchor_id, other_anchor_id)
ON CONFLICT (anchor_id, other_anchor_id, source_id)
DO UPDATE SET event_id = excluded.event_id, rule = excluded.rule, score = excluded.score, linked_at = excluded.linked_at
"""

_DELETE_LINKS = """
DELETE FROM links
WHERE event_id = $1 AND (anchor_id = ANY($2::uuid[]) OR other_anchor_id = ANY($2::uuid[]))
"""

_CROSSED_SEPARATIONS = """
SELECT separations.decision_id FROM separations JOIN identifiers USING (anchor_id)
WHERE separations.is_active AND identifiers.customer_id = ANY($1::uuid[])
GROUP BY separations.decision_id HAVING count(DISTINCT separations.side) > 1
"""

_COLUMNS = (
    "decision_id, kind, customer_id, rule, decided_by, why, score, source_id, event_id, rules_version, undoes, "
    "undone_by, decided_at"
)

_EFFECT = """
WITH RECURSIVE chain AS (
    SELECT decision_id, kind, undoes, 0 AS depth FROM decisions WHERE decision_id = $1
    UNION ALL
    SELECT decisions.decision_id, decisions.kind, decisions.undoes, depth + 1
    FROM chain JOIN decisions ON decisions.decision_id = chain.undoes
)
SELECT (kind = 'merge') = (depth % 2 = 0) FROM chain WHERE undoes IS NULL
"""

_MOVED = """
SELECT decision_id, count(*) AS anchors, (array_agg(anchor_id ORDER BY anchor_id))[:$2] AS anchor_ids,
    array_agg(DISTINCT former_customer_id) AS former, array_agg(DISTINCT customer_id) AS present
FROM moves WHERE decision_id = ANY($1::uuid[]) GROUP BY decision_id
"""

_PAGE = f"""
SELECT {_COLUMNS} FROM decisions
WHERE ($1::timestamptz IS NULL OR (decided_at, decision_id) < ($1, $2::uuid)) AND ($3::text IS NULL OR kind = $3)
ORDER BY decided_at DESC, decision_id DESC LIMIT $4
"""  # noqa: S608 - the columns are named above

PAGES_OF_CUSTOMERS = f"""
SELECT asked.customer_id AS of_customer_id, page.*
FROM unnest($5::uuid[]) AS asked (customer_id)
CROSS JOIN LATERAL (
    WITH known AS (
        SELECT asked.customer_id
        UNION SELECT former.customer_id FROM identifiers
            JOIN former_customers AS former ON former.anchor_id = identifiers.anchor_id
            WHERE identifiers.customer_id = asked.customer_id
    ), theirs AS (
        SELECT decisions.decision_id FROM decisions JOIN known USING (customer_id)
        UNION SELECT moves.decision_id FROM identifiers JOIN moves USING (anchor_id)
            WHERE identifiers.customer_id = asked.customer_id
    )
    SELECT {_COLUMNS} FROM decisions JOIN theirs USING (decision_id)
    WHERE ($1::timestamptz IS NULL OR (decided_at, decision_id) < ($1, $2::uuid)) AND ($3::text IS NULL OR kind = $3)
    ORDER BY decided_at DESC, decision_id DESC LIMIT $4
) AS page
ORDER BY of_customer_id, decided_at DESC, decision_id DESC
"""  # noqa: S608 - the columns are named above


class HeldAnchor(NamedTuple):
    """An anchor, and whose it is now."""

    anchor_id: UUID
    customer_id: UUID
    version: int


class AnchorMove(NamedTuple):
    """An anchor goes over to another customer; `version` is the one it has then."""

    anchor_id: UUID
    version: int
    former_customer_id: UUID
    customer_id: UUID


class NewDecision(NamedTuple):
    """The columns of `decisions` that are known when it is made."""

    decision_id: UUID
    kind: str
    customer_id: UUID
    rule: str
    decided_by: str
    why: str
    score: float | None
    source_id: str | None
    event_id: UUID | None
    rules_version: int
    undoes: UUID | None
    decided_at: datetime


class EndedCustomer(NamedTuple):
    """A customer that has no anchor any more: its id resolves to whoever holds `anchor_id`."""

    customer_id: UUID
    anchor_id: UUID
    current_customer_id: UUID


async def resolve_customers(connection: asyncpg.Connection, customer_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Return which customer each id is now; unknown and erased ones are left out."""
    rows = await connection.fetch(_RESOLVE, list(customer_ids))
    return {row["asked_id"]: row["customer_id"] for row in rows if row["customer_id"] is not None}


async def lock_customers(connection: asyncpg.Connection, customer_ids: Collection[UUID]) -> dict[UUID, int]:
    """Lock customers in the order of their ids until the transaction ends; return the versions of those that exist."""
    rows = await connection.fetch(_LOCK_CUSTOMERS, list(customer_ids))
    return {row["customer_id"]: row["version"] for row in rows}


async def find_held_anchors(connection: asyncpg.Connection, customer_ids: Collection[UUID]) -> list[HeldAnchor]:
    """Return the anchors of customers, the oldest first."""
    return [HeldAnchor(*row) for row in await connection.fetch(_HELD, list(customer_ids))]


async def find_rules_version(connection: asyncpg.Connection) -> int:
    """Return the number of the rules in force."""
    version: int = await connection.fetchval("SELECT coalesce(max(version), 0) FROM rules_versions")
    return version


async def insert_decision(connection: asyncpg.Connection, decision: NewDecision, moves: Sequence[AnchorMove]) -> None:
    """Write a decision with what it moves, and move it."""
    await connection.execute(
        f"INSERT INTO decisions ({', '.join(NewDecision._fields)}) "  # noqa: S608 - our own columns
        f"VALUES ({', '.join(f'${number}' for number in range(1, len(decision) + 1))})",
        *decision,
    )
    await connection.fetchval(_LOCK_ANCHORS, [move.anchor_id for move in moves])
    await connection.execute(
        _MOVE_ANCHORS,
        [move.anchor_id for move in moves],
        [move.customer_id for move in moves],
        [move.version for move in moves],
    )
    reason, evidence = decision.kind, (decision.source_id, decision.event_id)
    await connection.copy_records_to_table(
        "moves",
        columns=(*AnchorMove._fields, "reason", "source_id", "event_id", "moved_at", "decision_id"),
        records=[(*move, reason, *evidence, decision.decided_at, decision.decision_id) for move in moves],
    )
    await connection.execute(_FOLLOW_ANCHORS, [move.anchor_id for move in moves], [move.customer_id for move in moves])


async def insert_customers(
    connection: asyncpg.Connection, customers: Sequence[tuple[UUID, datetime]], *, version: int
) -> None:
    """Make customers (id, made at), or let former ones come back."""
    await connection.execute(
        "DELETE FROM former_customers WHERE customer_id = ANY($1::uuid[])",
        [customer_id for customer_id, _ in customers],
    )
    await connection.copy_records_to_table(
        "customers",
        columns=("customer_id", "created_at", "version"),
        records=[(*customer, version) for customer in customers],
    )


async def end_customers(connection: asyncpg.Connection, ended: Sequence[EndedCustomer], decision: NewDecision) -> None:
    """Turn customers that have no anchor any more into former ones."""
    await connection.execute(
        "DELETE FROM customers WHERE customer_id = ANY($1::uuid[])", [one.customer_id for one in ended]
    )
    await connection.execute(
        _FOLLOW_CUSTOMERS, [one.customer_id for one in ended], [one.current_customer_id for one in ended]
    )
    await connection.copy_records_to_table(
        "former_customers",
        columns=(*EndedCustomer._fields, "source_id", "event_id", "merged_at"),
        records=[(*one, decision.source_id, decision.event_id, decision.decided_at) for one in ended],
    )


async def bump_customers(connection: asyncpg.Connection, customer_ids: Collection[UUID], *, version: int) -> None:
    """Give customers their next version: whoever read them before starts over."""
    await connection.execute(_BUMP_CUSTOMERS, list(customer_ids), version)


async def insert_links(
    connection: asyncpg.Connection,
    pairs: Sequence[tuple[UUID, UUID]],
    *,
    source_id: str,
    decision: NewDecision,
    rule: str,
) -> None:
    """Write a decision as the evidence between two anchors of those it joined."""
    await connection.execute(
        _INSERT_LINKS,
        [anchor_id for anchor_id, _ in pairs],
        [other for _, other in pairs],
        source_id,
        decision.decision_id,
        rule,
        decision.score,
        decision.decided_at,
    )


async def delete_links(connection: asyncpg.Connection, decision_id: UUID, *, anchor_ids: Sequence[UUID]) -> None:
    """Take back what was linked because of a decision that moved these anchors."""
    await connection.execute(_DELETE_LINKS, decision_id, anchor_ids)


async def insert_separations(
    connection: asyncpg.Connection, decision_id: UUID, *, stayed: Collection[UUID], went: Collection[UUID]
) -> None:
    """Remember that two sides are not one customer."""
    sides = [(anchor_id, 0) for anchor_id in stayed] + [(anchor_id, 1) for anchor_id in went]
    await connection.copy_records_to_table(
        "separations",
        columns=("decision_id", "anchor_id", "side", "is_active"),
        records=[(decision_id, anchor_id, side, True) for anchor_id, side in sides],
    )


async def find_crossed_separations(connection: asyncpg.Connection, customer_ids: Collection[UUID]) -> list[UUID]:
    """Return the active separations of which these customers together hold both sides."""
    return [row["decision_id"] for row in await connection.fetch(_CROSSED_SEPARATIONS, list(customer_ids))]


async def lift_separations(connection: asyncpg.Connection, decision_ids: Collection[UUID]) -> None:
    """Let rules join again what was separated."""
    await connection.execute(
        "UPDATE separations SET is_active = false WHERE decision_id = ANY($1::uuid[]) AND is_active",
        list(decision_ids),
    )


async def lock_decision(connection: asyncpg.Connection, decision_id: UUID) -> asyncpg.Record | None:
    """Return a decision, which nobody else can undo until the transaction ends."""
    return await connection.fetchrow(
        f"SELECT {_COLUMNS} FROM decisions WHERE decision_id = $1 FOR UPDATE",  # noqa: S608 - named above
        decision_id,
    )


async def joined_customers(connection: asyncpg.Connection, decision_id: UUID) -> bool:
    """Tell whether a decision joined customers (a merge, the undo of a split) or divided one."""
    has_joined: bool = await connection.fetchval(_EFFECT, decision_id)
    return has_joined


async def find_moves(connection: asyncpg.Connection, decision_id: UUID) -> list[AnchorMove]:
    """Return what a decision moved."""
    rows = await connection.fetch(
        "SELECT anchor_id, version, former_customer_id, customer_id FROM moves WHERE decision_id = $1 "
        "ORDER BY anchor_id, version",
        decision_id,
    )
    return [AnchorMove(*row) for row in rows]


async def mark_undone(connection: asyncpg.Connection, decision_id: UUID, *, by: UUID) -> None:
    """Say which decision undid this one."""
    await connection.execute("UPDATE decisions SET undone_by = $2 WHERE decision_id = $1", decision_id, by)


async def find_decisions(connection: asyncpg.Connection, decision_ids: Sequence[UUID]) -> list[asyncpg.Record]:
    """Return decisions."""
    rows: list[asyncpg.Record] = await connection.fetch(
        f"SELECT {_COLUMNS} FROM decisions WHERE decision_id = ANY($1::uuid[])",  # noqa: S608 - named above
        decision_ids,
    )
    return rows


async def list_decisions(
    connection: asyncpg.Connection, *, kind: str | None, after: Sequence[object] | None, limit: int
) -> list[asyncpg.Record]:
    """Return decisions, the newest first, after (decided_at, decision_id)."""
    decided_at, decision_id = after or (None, None)
    rows: list[asyncpg.Record] = await connection.fetch(_PAGE, decided_at, decision_id, kind, limit)
    return rows


async def list_decisions_of(
    connection: asyncpg.Connection,
    customer_ids: Collection[UUID],
    *,
    kind: str | None,
    after: Sequence[object] | None,
    limit: int,
) -> dict[UUID, list[asyncpg.Record]]:
    """Return of each customer at most `limit` decisions, the newest first, after (decided_at, decision_id).

    Those that named it or one of its former ids, and those that moved anchors it holds now.
    """
    decided_at, decision_id = after or (None, None)
    rows = await connection.fetch(PAGES_OF_CUSTOMERS, decided_at, decision_id, kind, limit, list(customer_ids))
    found: defaultdict[UUID, list[asyncpg.Record]] = defaultdict(list)
    for row in rows:
        found[row["of_customer_id"]].append(row)
    return found


async def find_moved(
    connection: asyncpg.Connection, decision_ids: Sequence[UUID], *, most: int
) -> dict[UUID, asyncpg.Record]:
    """Return what decisions moved: (anchors: how many, anchor_ids: the first of them, former and present customers)."""
    return {row["decision_id"]: row for row in await connection.fetch(_MOVED, decision_ids, most)}
