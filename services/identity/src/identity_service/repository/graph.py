"""SQL of customers' graphs: one statement for each kind of thing, whatever number of customers is asked for."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

import asyncpg

_NODES = """
SELECT asked.customer_id AS holder, node.*, moved.decision_id, moved.score
FROM unnest($1::uuid[]) AS asked (customer_id)
CROSS JOIN LATERAL (
    SELECT anchor_id, namespace, value, is_current,
        CASE WHEN cardinality(sources) = 0 THEN ARRAY[identifiers.source_id] ELSE sources END AS sources,
        identifiers.source_id, event_id, rule, linked_at,
        coalesce(identifiers.legal_entity, source.legal_entity) AS legal_entity,
        CASE WHEN identifiers.legal_entity IS NULL THEN coalesce(source.purposes, '{}') ELSE identifiers.purposes
        END AS purposes
    FROM identifiers LEFT JOIN sources AS source ON source.source_id = identifiers.source_id
    WHERE identifiers.customer_id = asked.customer_id
    ORDER BY linked_at, anchor_id LIMIT $2
) AS node
LEFT JOIN LATERAL (
    SELECT moves.decision_id, decisions.score FROM moves LEFT JOIN decisions USING (decision_id)
    WHERE moves.anchor_id = node.anchor_id ORDER BY moves.version DESC LIMIT 1
) AS moved ON true
ORDER BY holder, linked_at, anchor_id
"""

_EDGES = """
SELECT asked.customer_id AS holder, edge.*
FROM unnest($1::uuid[]) AS asked (customer_id)
CROSS JOIN LATERAL (
    SELECT links.anchor_id, links.other_anchor_id, links.rule, links.score, links.source_id, links.event_id,
        links.linked_at, links.legal_entity, links.purposes
    FROM identifiers JOIN links USING (anchor_id)
    JOIN identifiers AS other ON other.anchor_id = links.other_anchor_id AND other.customer_id = asked.customer_id
    WHERE identifiers.customer_id = asked.customer_id
    ORDER BY links.linked_at, links.anchor_id, links.other_anchor_id, links.source_id LIMIT $2
) AS edge
"""

_HELD_APART = """
SELECT asked.customer_id AS holder, held.*
FROM unnest($1::uuid[]) AS asked (customer_id)
CROSS JOIN LATERAL (
    SELECT held_apart.* FROM identifiers JOIN held_apart USING (anchor_id)
    WHERE identifiers.customer_id = asked.customer_id
    ORDER BY held_at, held_apart.anchor_id, held_apart.namespace, held_apart.value LIMIT $2
) AS held
"""

_FORMER = """
SELECT identifiers.customer_id AS holder, former.customer_id
FROM identifiers JOIN former_customers AS former ON former.anchor_id = identifiers.anchor_id
WHERE identifiers.customer_id = ANY($1::uuid[])
UNION ALL
SELECT current_customer_id, customer_id FROM former_customers
WHERE current_customer_id = ANY($1::uuid[]) AND anchor_id IS NULL
ORDER BY 1, 2
"""

_GROUPS = """
SELECT identifiers.customer_id AS holder, groups.group_id, groups.traits::text, min(joined_at) AS joined_at
FROM identifiers JOIN group_members USING (anchor_id) JOIN groups USING (group_id)
WHERE identifiers.customer_id = ANY($1::uuid[])
GROUP BY identifiers.customer_id, groups.group_id ORDER BY min(joined_at), groups.group_id
"""

_TOTALS = """
SELECT customer_id AS holder, count(*) AS nodes_total FROM identifiers
WHERE customer_id = ANY($1::uuid[]) GROUP BY customer_id
"""


async def find_graphs(
    connection: asyncpg.Connection, customer_ids: Collection[UUID], *, most: int
) -> dict[str, list[dict[str, Any]]]:
    """Return the parts of customers' graphs by their names, each row with its customer as `holder`.

    At most `most` nodes and held-apart identifiers, and ten times as many edges, for each customer, the oldest first.
    """
    asked = list(customer_ids)
    found = {
        "nodes": await connection.fetch(_NODES, asked, most),
        "edges": await connection.fetch(_EDGES, asked, most * 10),
        "held_apart": await connection.fetch(_HELD_APART, asked, most),
        "former": await connection.fetch(_FORMER, asked),
        "groups": await connection.fetch(_GROUPS, asked),
        "totals": await connection.fetch(_TOTALS, asked),
    }
    return {name: [dict(row) for row in rows] for name, rows in found.items()}
