"""The review queue: candidates as they are now, what their records say, and what people decide on them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

# What a candidate is now, whatever became of its customers: those who hold its anchors. A pair in review that is one
# customer, or lost an anchor, or whose compared records went to others, is stale - and no longer, when that is undone.
_NOW = """
SELECT candidate.*, one.customer_id AS present, other.customer_id AS other_present,
    CASE
        WHEN candidate.state = 'review' AND (
            one.customer_id IS NULL OR other.customer_id IS NULL OR one.customer_id = other.customer_id
            OR record.customer_id IS DISTINCT FROM one.customer_id
            OR other_record.customer_id IS DISTINCT FROM other.customer_id
        ) THEN 'stale'
        WHEN candidate.state IN ('linked', 'accepted') AND decisions.undone_by IS NOT NULL AND undo.undone_by IS NULL
            THEN 'undone'
        ELSE candidate.state
    END AS state_now
FROM link_candidates AS candidate
LEFT JOIN identifiers AS one ON one.anchor_id = candidate.anchor_id
LEFT JOIN identifiers AS other ON other.anchor_id = candidate.other_anchor_id
LEFT JOIN identifiers AS record ON record.anchor_id = candidate.record_anchor_id
LEFT JOIN identifiers AS other_record ON other_record.anchor_id = candidate.other_record_anchor_id
LEFT JOIN decisions ON decisions.decision_id = candidate.decision_id
LEFT JOIN decisions AS undo ON undo.decision_id = decisions.undone_by
"""

_COLUMNS = """
    candidate_id, anchor_id, other_anchor_id, record_anchor_id, record_source_id, other_record_anchor_id,
    other_record_source_id, score, state, state_now, contradiction, fields::text, run_id, created_at, scored_at,
    decided_by, decided_at, why, decision_id,
    CASE WHEN state_now = 'review' THEN present ELSE customer_id END AS customer_id,
    CASE WHEN state_now = 'review' THEN other_present ELSE other_customer_id END AS other_customer_id
"""

STORED_AS = {
    "review": ["review"],
    "linked": ["linked"],
    "accepted": ["accepted"],
    "rejected": ["rejected"],
    "undone": ["undone", "linked", "accepted"],
    "stale": ["stale", "review"],
}
"""As what a candidate may be stored that is now in a state."""

_PAGE = f"""
SELECT {_COLUMNS} FROM ({_NOW}) AS candidate
WHERE ($1::text IS NULL OR (state = ANY($2::text[]) AND state_now = $1))
  AND ($3::float IS NULL OR score < $3 OR (score = $3 AND candidate_id > $4::uuid))
  AND ($5::uuid IS NULL OR $5 IN (present, other_present, customer_id, other_customer_id))
  AND ($6::uuid IS NULL OR run_id = $6)
ORDER BY score DESC, candidate_id LIMIT $7
"""  # noqa: S608 - put together from the constants above

_ONE = f"SELECT {_COLUMNS} FROM ({_NOW}) AS candidate WHERE candidate_id = $1"  # noqa: S608 - the constants above

_VALUES = """
SELECT anchor_id, source_id, written::text, normal::text FROM person_records
WHERE (anchor_id, source_id) IN (SELECT * FROM unnest($1::uuid[], $2::text[]))
"""

_NOTE = """
INSERT INTO candidate_decisions (candidate_id, number, action, decided_by, why, decided_at, decision_id)
SELECT $1::uuid, coalesce(max(number), 0) + 1, $2::text, $3::text, $4::text, $5::timestamptz, $6::uuid
FROM candidate_decisions WHERE candidate_id = $1
"""

_DECIDE = """
UPDATE link_candidates SET
    state = $2, decided_by = $3, why = $4, decided_at = $5, decision_id = coalesce($6, decision_id),
    customer_id = coalesce($7, customer_id), other_customer_id = coalesce($8, other_customer_id)
WHERE candidate_id = $1
"""


class Said(NamedTuple):
    """What a source says of a person: field -> as written, and as compared."""

    written: dict[str, str]
    normal: dict[str, str]


async def list_candidates(
    connection: asyncpg.Connection,
    *,
    state: str | None,
    customer_id: UUID | None,
    run_id: UUID | None,
    after: Sequence[object] | None,
    limit: int,
) -> list[asyncpg.Record]:
    """Return candidates, the best score first, after (score, candidate_id)."""
    score, candidate_id = after or (None, None)
    stored = STORED_AS.get(state or "", [])
    rows: list[asyncpg.Record] = await connection.fetch(
        _PAGE, state, stored, score, candidate_id, customer_id, run_id, limit
    )
    return rows


async def find_candidate(connection: asyncpg.Connection, candidate_id: UUID) -> asyncpg.Record | None:
    """Return a candidate as it is now."""
    return await connection.fetchrow(_ONE, candidate_id)


async def lock_candidate(connection: asyncpg.Connection, candidate_id: UUID) -> asyncpg.Record | None:
    """Return a candidate as it is now; nobody else decides on it before this transaction ends.

    Lock its customers first, as a run does.
    """
    await connection.execute("SELECT FROM link_candidates WHERE candidate_id = $1 FOR UPDATE", candidate_id)
    return await find_candidate(connection, candidate_id)


async def find_values(
    connection: asyncpg.Connection, records: Sequence[tuple[UUID, str]]
) -> dict[tuple[UUID, str], Said]:
    """Return what person records (anchor, source) say."""
    rows = await connection.fetch(_VALUES, [anchor for anchor, _ in records], [source for _, source in records])
    return {
        (row["anchor_id"], row["source_id"]): Said(json.loads(row["written"]), json.loads(row["normal"]))
        for row in rows
    }


async def list_decisions_on(connection: asyncpg.Connection, candidate_id: UUID) -> list[asyncpg.Record]:
    """Return what was decided on a candidate, in order."""
    rows: list[asyncpg.Record] = await connection.fetch(
        "SELECT action, decided_by, why, decided_at, decision_id FROM candidate_decisions "
        "WHERE candidate_id = $1 ORDER BY number",
        candidate_id,
    )
    return rows


async def decide(
    connection: asyncpg.Connection,
    candidate_id: UUID,
    state: str,
    *,
    action: str,
    by: str,
    why: str,
    at: datetime,
    decision_id: UUID | None = None,
    customer_ids: tuple[UUID, UUID] | None = None,
) -> None:
    """Write down a person's decision on a candidate; `customer_ids`: whom it spoke of."""
    one, other = customer_ids or (None, None)
    await connection.execute(_DECIDE, candidate_id, state, by, why, at, decision_id, one, other)
    await note_decision(connection, candidate_id, action, by=by, why=why, at=at, decision_id=decision_id)


async def note_decision(
    connection: asyncpg.Connection,
    candidate_id: UUID,
    action: str,
    *,
    by: str,
    why: str,
    at: datetime,
    decision_id: UUID | None,
) -> None:
    """Add a decision to a candidate's history."""
    await connection.execute(_NOTE, candidate_id, action, by, why, at, decision_id)
