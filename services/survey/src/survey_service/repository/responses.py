"""Responses and their answers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import json_text, raw
from survey_service.rules.answers import Answers


@dataclass(frozen=True)
class ResponseRow:
    """The latest revision of a response."""

    response_id: UUID
    invitation_id: UUID
    customer_id: UUID
    anchor_id: UUID
    questionnaire_key: str
    questionnaire_version: int
    run_id: UUID | None
    campaign_key: str | None
    revision: int
    nps_score: int | None
    first_answered_at: datetime
    answered_at: datetime
    valid_until: datetime | None
    answers: Answers


class NpsCounts(NamedTuple):
    """Customers by NPS group."""

    promoters: int
    passives: int
    detractors: int


_COLUMNS = """r.response_id, r.invitation_id, r.customer_id, r.anchor_id, r.questionnaire_key,
       r.questionnaire_version, r.run_id, r.campaign_key, r.revision, r.nps_score,
       r.first_answered_at, r.answered_at, r.valid_until"""
# json, not jsonb: it keeps the questionnaire's order
_ANSWERS = """COALESCE((SELECT json_object_agg(question_key, value ORDER BY position) FROM answers
                 WHERE answers.response_id = r.response_id), '{}') AS answers"""
_SELECT = f"SELECT {_COLUMNS}, {_ANSWERS} FROM responses r"  # noqa: S608  # made of the constants above


async def find_response(session: AsyncSession, invitation_id: UUID) -> ResponseRow | None:
    """Return what was answered to an invitation."""
    connection = await raw(session)
    record = await connection.fetchrow(f"{_SELECT} WHERE r.invitation_id = $1", invitation_id)
    return None if record is None else ResponseRow(**record)


_SAVE = """
INSERT INTO responses (response_id, invitation_id, customer_id, anchor_id, questionnaire_key, questionnaire_version,
                       run_id, campaign_key, revision, nps_score, first_answered_at, answered_at, valid_until)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (response_id) DO UPDATE SET
  customer_id = EXCLUDED.customer_id, revision = EXCLUDED.revision, nps_score = EXCLUDED.nps_score,
  answered_at = EXCLUDED.answered_at, valid_until = EXCLUDED.valid_until
"""
_SAVE_ANSWERS = """
INSERT INTO answers (response_id, question_key, position, customer_id, anchor_id, value)
SELECT $1, question_key, position, $2, $3, value
FROM unnest($4::text[], $5::jsonb[]) WITH ORDINALITY AS t (question_key, value, position)
"""


async def save_response(session: AsyncSession, row: ResponseRow) -> None:
    """Store a revision, replacing the earlier one and its answers."""
    connection = await raw(session)
    await connection.execute(
        _SAVE,
        row.response_id,
        row.invitation_id,
        row.customer_id,
        row.anchor_id,
        row.questionnaire_key,
        row.questionnaire_version,
        row.run_id,
        row.campaign_key,
        row.revision,
        row.nps_score,
        row.first_answered_at,
        row.answered_at,
        row.valid_until,
    )
    await connection.execute("DELETE FROM answers WHERE response_id = $1", row.response_id)
    values = [json_text(value) for value in row.answers.values()]
    await connection.execute(_SAVE_ANSWERS, row.response_id, row.customer_id, row.anchor_id, list(row.answers), values)


_OF_CUSTOMERS = f"""
SELECT {_COLUMNS}, {_ANSWERS}
FROM (SELECT DISTINCT customer_id FROM unnest($1::uuid[]) AS t (customer_id)) AS wanted
CROSS JOIN LATERAL (
  SELECT * FROM responses WHERE responses.customer_id = wanted.customer_id ORDER BY answered_at DESC LIMIT $2
) AS r
ORDER BY r.answered_at DESC, r.response_id
"""  # noqa: S608  # made of the constants above


async def responses_of_customers(
    session: AsyncSession, customer_ids: Sequence[UUID], *, first: int
) -> list[ResponseRow]:
    """Return each customer's latest `first` responses, newest first."""
    connection = await raw(session)
    records = await connection.fetch(_OF_CUSTOMERS, list(customer_ids), first)
    return [ResponseRow(**record) for record in records]


async def count_answered(session: AsyncSession, questionnaire_key: str | None, *, now: datetime) -> int:
    """Count the customers with a response that is still valid."""
    connection = await raw(session)
    condition, arguments = (
        ("", []) if questionnaire_key is None else ("AND questionnaire_key = $2", [questionnaire_key])
    )
    answered = await connection.fetchval(
        "SELECT count(*) FROM (SELECT DISTINCT customer_id FROM responses"  # noqa: S608  # the condition is ours
        f" WHERE (valid_until IS NULL OR valid_until > $1) {condition}) AS answered",
        now,
        *arguments,
    )
    return int(answered)


async def count_nps(session: AsyncSession, questionnaire_key: str | None, *, now: datetime) -> NpsCounts:
    """Count customers by the NPS group of their latest valid score."""
    connection = await raw(session)
    condition, arguments = (
        ("", []) if questionnaire_key is None else ("AND questionnaire_key = $2", [questionnaire_key])
    )
    record = await connection.fetchrow(
        "SELECT count(*) FILTER (WHERE nps_score >= 9) AS promoters,"  # noqa: S608  # the condition is ours
        " count(*) FILTER (WHERE nps_score BETWEEN 7 AND 8) AS passives,"
        " count(*) FILTER (WHERE nps_score <= 6) AS detractors"
        " FROM (SELECT DISTINCT ON (customer_id) nps_score FROM responses"
        f" WHERE nps_score IS NOT NULL AND (valid_until IS NULL OR valid_until > $1) {condition}"
        " ORDER BY customer_id, answered_at DESC) AS latest",
        now,
        *arguments,
    )
    assert record is not None  # an aggregate always answers one row
    return NpsCounts(**record)
