"""SQL of link candidates: the review queue, and what becomes of the pairs a run has found."""

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from identity_service.repository.linking import CHANGED_BETWEEN, FoundPair
from identity_service.rules.identifiers import DEFAULT_LIMIT
from identity_service.rules.linking import Held, Holding, LinkUse, NamespaceLimits
from servicekit.database import json_text

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

_EXISTING = """
WITH asked AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[]) AS t (customer_id, other_customer_id)
), held AS (
    SELECT anchor_id, customer_id FROM identifiers
    WHERE customer_id IN (SELECT customer_id FROM asked UNION SELECT other_customer_id FROM asked)
), candidates AS (
    SELECT candidate.candidate_id, candidate.state, candidate.created_at,
        candidate.anchor_id, candidate.other_anchor_id,
        least(one.customer_id, other.customer_id) AS customer_id,
        greatest(one.customer_id, other.customer_id) AS other_customer_id
    FROM link_candidates AS candidate
    JOIN held AS one ON one.anchor_id = candidate.anchor_id
    JOIN held AS other ON other.anchor_id = candidate.other_anchor_id
)
SELECT DISTINCT ON (customer_id, other_customer_id)
    customer_id, other_customer_id, candidate_id, state, anchor_id, other_anchor_id
FROM candidates JOIN asked USING (customer_id, other_customer_id)
ORDER BY customer_id, other_customer_id,
    array_position(ARRAY['rejected', 'undone', 'review', 'accepted', 'linked', 'stale'], state), created_at
"""

# a pair may have been proposed before under the same anchors: the newer scoring takes its place
_SAVE = """
INSERT INTO link_candidates
    (candidate_id, anchor_id, other_anchor_id, customer_id, other_customer_id, record_anchor_id, record_source_id,
     other_record_anchor_id, other_record_source_id, score, state, contradiction, fields, run_id, created_at, scored_at,
     decided_by, decided_at, why, decision_id)
SELECT candidate_id, anchor_id, other_anchor_id, customer_id, other_customer_id, record_anchor_id, record_source_id,
    other_record_anchor_id, other_record_source_id, score, state, contradiction, fields::jsonb,
    $1::uuid, $2::timestamptz, $2::timestamptz, decided_by, CASE WHEN decided_by IS NOT NULL THEN $2::timestamptz END,
    why, decision_id
FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::uuid[], $8::uuid[], $9::text[], $10::uuid[],
    $11::text[], $12::float[], $13::text[], $14::text[], $15::text[], $16::text[], $17::text[], $18::uuid[])
    AS t (candidate_id, anchor_id, other_anchor_id, customer_id, other_customer_id, record_anchor_id, record_source_id,
          other_record_anchor_id, other_record_source_id, score, state, contradiction, fields, decided_by, why,
          decision_id)
ON CONFLICT (anchor_id, other_anchor_id) DO UPDATE SET
    customer_id = excluded.customer_id, other_customer_id = excluded.other_customer_id,
    record_anchor_id = excluded.record_anchor_id, record_source_id = excluded.record_source_id,
    other_record_anchor_id = excluded.other_record_anchor_id,
    other_record_source_id = excluded.other_record_source_id,
    score = excluded.score, state = excluded.state, contradiction = excluded.contradiction, fields = excluded.fields,
    run_id = excluded.run_id, scored_at = excluded.scored_at, decided_by = excluded.decided_by,
    decided_at = excluded.decided_at, why = excluded.why, decision_id = excluded.decision_id
RETURNING candidate_id, state, decided_by, decided_at, why, decision_id
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

# what a run looked at again and did not find: no longer supported by what is known
_AGE = f"""
WITH changed AS MATERIALIZED ({CHANGED_BETWEEN})
UPDATE link_candidates AS candidate SET state = 'stale'
FROM identifiers AS one, identifiers AS other
WHERE candidate.state = 'review' AND candidate.run_id <> $1
  AND one.anchor_id = candidate.anchor_id AND other.anchor_id = candidate.other_anchor_id
  AND (
      $2::timestamptz IS NULL
      OR one.customer_id IN (SELECT customer_id FROM changed)
      OR other.customer_id IN (SELECT customer_id FROM changed)
  )
"""  # noqa: S608 - put together from constants

# several candidates of what are the same two customers now: what a person said stands, else the best score
_SETTLE = """
WITH pairs AS (
    SELECT candidate.candidate_id, candidate.state,
        row_number() OVER (
            PARTITION BY least(one.customer_id, other.customer_id), greatest(one.customer_id, other.customer_id)
            ORDER BY candidate.state = 'review', candidate.score DESC, candidate.candidate_id
        ) AS place
    FROM link_candidates AS candidate
    JOIN identifiers AS one ON one.anchor_id = candidate.anchor_id
    JOIN identifiers AS other ON other.anchor_id = candidate.other_anchor_id
    WHERE candidate.state IN ('review', 'rejected', 'undone') AND one.customer_id <> other.customer_id
)
UPDATE link_candidates SET state = 'stale' FROM pairs
WHERE pairs.candidate_id = link_candidates.candidate_id AND pairs.place > 1 AND pairs.state = 'review'
"""

_COUNTED = """
SELECT customer_id, namespace, value, CASE WHEN sources = '{}' THEN ARRAY[source_id] ELSE sources END AS sources
FROM identifiers
WHERE customer_id = ANY($1::uuid[]) AND is_current AND rule <> 'alias'
"""

# the evidence that the decision itself wrote, if any, is named by its id: this one says whose records it rests on
_EVIDENCE = """
INSERT INTO links
    (anchor_id, other_anchor_id, source_id, event_id, rule, score, legal_entity, purposes, linked_at)
SELECT anchor_id, other_anchor_id, source_id, event_id, rule, score, legal_entity,
    ARRAY(SELECT jsonb_array_elements_text(purposes::jsonb)), $1::timestamptz
FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::uuid[], $6::text[], $7::float[], $8::text[], $9::text[])
    AS t (anchor_id, other_anchor_id, source_id, event_id, rule, score, legal_entity, purposes)
ON CONFLICT (anchor_id, other_anchor_id, source_id) DO NOTHING
"""


class ExistingCandidate(NamedTuple):
    """What is known of two customers already, maybe under other anchors than their oldest now."""

    candidate_id: UUID
    state: str
    anchors: tuple[UUID, UUID]


class ScoredCandidate(NamedTuple):
    """A candidate as a run leaves it; `state` is `review` or `linked`."""

    candidate_id: UUID
    customer_id: UUID
    other_customer_id: UUID
    found: FoundPair
    state: str
    contradiction: str | None
    decided_by: str | None
    why: str | None
    decision_id: UUID | None


class Said(NamedTuple):
    """What a source says of a person: field -> as written, and as compared."""

    written: dict[str, str]
    normal: dict[str, str]


class Evidence(NamedTuple):
    """A link of `links` that rests on two person records."""

    anchor_id: UUID
    other_anchor_id: UUID
    decision_id: UUID
    rule: str
    score: float
    use: LinkUse


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


async def find_existing(
    connection: asyncpg.Connection, pairs: Sequence[tuple[UUID, UUID]]
) -> dict[tuple[UUID, UUID], ExistingCandidate]:
    """Return the candidate of each pair of present customers (the smaller id first), whatever anchors name it."""
    rows = await connection.fetch(_EXISTING, [one for one, _ in pairs], [other for _, other in pairs])
    return {
        (row["customer_id"], row["other_customer_id"]): ExistingCandidate(
            row["candidate_id"], row["state"], (row["anchor_id"], row["other_anchor_id"])
        )
        for row in rows
    }


async def save_candidates(
    connection: asyncpg.Connection, run_id: UUID, candidates: Sequence[ScoredCandidate], *, at: datetime
) -> None:
    """Write what a run makes of pairs; what was known of the same anchors is replaced."""
    if not candidates:
        return
    rows = [
        (
            one.candidate_id,
            one.found.anchor_id,
            one.found.other_anchor_id,
            one.customer_id,
            one.other_customer_id,
            one.found.record_anchor_id,
            one.found.record_source_id,
            one.found.other_record_anchor_id,
            one.found.other_record_source_id,
            one.found.score,
            one.state,
            one.contradiction,
            json_text(one.found.fields),
            one.decided_by,
            one.why,
            one.decision_id,
        )
        for one in candidates
    ]
    for saved in await connection.fetch(_SAVE, run_id, at, *(list(column) for column in zip(*rows, strict=True))):
        if saved["state"] == "linked":
            await note_decision(
                connection,
                saved["candidate_id"],
                "linked",
                by=saved["decided_by"],
                why=saved["why"],
                at=saved["decided_at"],
                decision_id=saved["decision_id"],
            )


async def release_candidates(connection: asyncpg.Connection, candidate_ids: Sequence[UUID]) -> None:
    """Delete candidates that are written anew, with the same id, under their customers' present oldest anchors."""
    await connection.execute("DELETE FROM link_candidates WHERE candidate_id = ANY($1::uuid[])", candidate_ids)


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


async def settle_candidates(
    connection: asyncpg.Connection, run_id: UUID, *, since: datetime | None, until: datetime
) -> None:
    """Take out of review what a run did not find again, and what is there twice.

    An incremental run (`since`) looked at the customers that changed between the two moments, a full one at all.
    """
    await connection.execute(_AGE, run_id, since, until)
    await connection.execute(_SETTLE)


async def find_held(
    connection: asyncpg.Connection, customer_ids: Sequence[UUID], limits: NamespaceLimits
) -> dict[UUID, Held]:
    """Return the identifiers of customers as limits count them."""
    held: defaultdict[UUID, defaultdict[Holding, set[str]]] = defaultdict(lambda: defaultdict(set))
    for row in await connection.fetch(_COUNTED, customer_ids):
        for holding in limits.holdings(row["namespace"], row["sources"]):
            held[row["customer_id"]][holding].add(row["value"])
    return {customer_id: dict(holdings) for customer_id, holdings in held.items()}


async def find_limits(connection: asyncpg.Connection) -> NamespaceLimits:
    """Return how many values of each namespace a customer may hold."""
    rows = await connection.fetch("SELECT name, value_limit, is_unique, is_shared FROM namespaces")
    return NamespaceLimits(
        {row["name"]: row["value_limit"] for row in rows},
        default=DEFAULT_LIMIT,
        unique=[row["name"] for row in rows if row["is_unique"]],
        shared=[row["name"] for row in rows if row["is_shared"]],
    )


async def save_evidence(connection: asyncpg.Connection, evidence: Sequence[Evidence], *, at: datetime) -> None:
    """Write links that rest on person records; a link the same source gave before stays."""
    if not evidence:
        return
    rows = [
        (
            one.anchor_id,
            one.other_anchor_id,
            one.use.source_id,
            one.decision_id,
            one.rule,
            one.score,
            one.use.legal_entity,
            json_text(one.use.purposes),
        )
        for one in evidence
    ]
    await connection.execute(_EVIDENCE, at, *(list(column) for column in zip(*rows, strict=True)))
