"""Commitments and their history."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import raw
from survey_service.rules.commitments import Status


@dataclass(frozen=True)
class CommitmentRow:
    """A promise as it stands."""

    commitment_id: UUID
    customer_id: UUID
    anchor_id: UUID
    response_id: UUID
    questionnaire_key: str
    question_key: str
    option_key: str
    kind: str
    subject: str
    text: str
    owner_department: str
    due_on: date | None
    status: Status
    proof: str | None
    version: int
    made_at: datetime
    changed_at: datetime


@dataclass(frozen=True)
class ChangeRow:
    """One version of a promise's status."""

    version: int
    status: Status
    proof: str | None
    changed_by: str
    changed_at: datetime


_COLUMNS = """commitment_id, customer_id, anchor_id, response_id, questionnaire_key, question_key, option_key, kind,
       subject, text, owner_department, due_on, status, proof, version, made_at, changed_at"""


async def commitments_of_response(
    session: AsyncSession, response_id: UUID, *, lock: bool = False
) -> list[CommitmentRow]:
    """Return the promises a response led to, oldest first; `lock` keeps others from changing them."""
    return await _fetch(
        session, f"WHERE response_id = $1 ORDER BY made_at, commitment_id {'FOR UPDATE' if lock else ''}", response_id
    )


async def find_commitment(session: AsyncSession, commitment_id: UUID) -> CommitmentRow | None:
    """Return one promise."""
    rows = await _fetch(session, "WHERE commitment_id = $1", commitment_id)
    return rows[0] if rows else None


async def lock_commitment(session: AsyncSession, commitment_id: UUID) -> CommitmentRow | None:
    """Return one promise, locked against other changes, with the customer its anchor belongs to now."""
    rows = await _fetch(session, "WHERE commitment_id = $1 FOR UPDATE", commitment_id)
    if not rows:
        return None
    connection = await raw(session)
    # a move may be stored and this row not yet re-keyed
    moved_to = await connection.fetchval("SELECT customer_id FROM anchors WHERE anchor_id = $1", rows[0].anchor_id)
    return replace(rows[0], customer_id=moved_to or rows[0].customer_id)


async def list_commitments(
    session: AsyncSession, *, status: Status | None, first: int, after: tuple[datetime, UUID] | None
) -> list[CommitmentRow]:
    """Return up to `first` promises, the latest made first, after the one at (made_at, commitment_id)."""
    arguments: list[Any] = [first]  # positional arguments of several types
    conditions = []
    if status is not None:
        arguments.append(status)
        conditions.append(f"status = ${len(arguments)}")
    if after is not None:
        arguments.extend(after)
        conditions.append(f"(made_at, commitment_id) < (${len(arguments) - 1}, ${len(arguments)})")
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    return await _fetch(session, f"{where} ORDER BY made_at DESC, commitment_id DESC LIMIT $1", *arguments)


async def count_commitments(session: AsyncSession) -> dict[Status, int]:
    """Count promises by status."""
    connection = await raw(session)
    records = await connection.fetch("SELECT status, count(*) AS commitments FROM commitments GROUP BY status")
    return {record["status"]: record["commitments"] for record in records}


async def commitments_of_customers(session: AsyncSession, customer_ids: Sequence[UUID]) -> list[CommitmentRow]:
    """Return these customers' promises, the latest made first."""
    return await _fetch(
        session, "WHERE customer_id = ANY($1::uuid[]) ORDER BY made_at DESC, commitment_id", list(customer_ids)
    )


async def history_of(session: AsyncSession, commitment_id: UUID) -> list[ChangeRow]:
    """Return every version of a promise's status, oldest first."""
    connection = await raw(session)
    records = await connection.fetch(
        "SELECT version, status, proof, changed_by, changed_at FROM commitment_changes"
        " WHERE commitment_id = $1 ORDER BY version",
        commitment_id,
    )
    return [ChangeRow(**record) for record in records]


async def _fetch(session: AsyncSession, rest: str, *arguments: Any) -> list[CommitmentRow]:  # arguments of any SQL type
    connection = await raw(session)
    records = await connection.fetch(f"SELECT {_COLUMNS} FROM commitments {rest}", *arguments)  # noqa: S608  # ours
    return [CommitmentRow(**record) for record in records]


_SAVE = """
INSERT INTO commitments (commitment_id, customer_id, anchor_id, response_id, questionnaire_key, question_key,
                         option_key, kind, subject, text, owner_department, due_on, status, proof, version,
                         made_at, changed_at)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::text[], $12::date[], $13::text[], $14::text[], $15::int[],
                     $16::timestamptz[], $17::timestamptz[])
ON CONFLICT (commitment_id) DO UPDATE SET
  customer_id = EXCLUDED.customer_id, due_on = EXCLUDED.due_on, status = EXCLUDED.status, proof = EXCLUDED.proof,
  version = EXCLUDED.version, changed_at = EXCLUDED.changed_at
"""
_SAVE_CHANGES = """
INSERT INTO commitment_changes (commitment_id, version, customer_id, anchor_id, status, proof, changed_by, changed_at)
SELECT commitment_id, version, customer_id, anchor_id, status, proof, $8, changed_at
FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[])
  AS t (commitment_id, version, customer_id, anchor_id, status, proof, changed_at)
"""


async def save_commitments(session: AsyncSession, rows: Sequence[CommitmentRow], *, changed_by: str) -> None:
    """Store new or changed promises, each with its version in the history."""
    if not rows:
        return
    connection = await raw(session)
    everything = (
        (
            row.commitment_id,
            row.customer_id,
            row.anchor_id,
            row.response_id,
            row.questionnaire_key,
            row.question_key,
            row.option_key,
            row.kind,
            row.subject,
            row.text,
            row.owner_department,
            row.due_on,
            row.status,
            row.proof,
            row.version,
            row.made_at,
            row.changed_at,
        )
        for row in rows
    )
    await connection.execute(_SAVE, *(list(column) for column in zip(*everything, strict=True)))
    changes = (
        (row.commitment_id, row.version, row.customer_id, row.anchor_id, row.status, row.proof, row.changed_at)
        for row in rows
    )
    await connection.execute(_SAVE_CHANGES, *(list(column) for column in zip(*changes, strict=True)), changed_by)
