"""What becomes of the pairs a run has found, and of those it did not find again."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from identity_service.repository.candidates.review import note_decision
from identity_service.repository.linking import FoundPair
from identity_service.repository.scoring import CHANGED_BETWEEN
from servicekit.database import json_text

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


async def settle_candidates(
    connection: asyncpg.Connection, run_id: UUID, *, since: datetime | None, until: datetime
) -> None:
    """Take out of review what a run did not find again, and what is there twice.

    An incremental run (`since`) looked at the customers that changed between the two moments, a full one at all.
    """
    await connection.execute(_AGE, run_id, since, until)
    await connection.execute(_SETTLE)
