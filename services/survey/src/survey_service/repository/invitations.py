"""Invitations: who was asked what, and until when."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.database import raw
from servicekit.erasure import OWNED


@dataclass(frozen=True)
class NewInvitation:
    """An invitation to be stored."""

    invitation_id: UUID
    customer_id: UUID
    anchor_id: UUID
    questionnaire_key: str
    questionnaire_version: int
    run_id: UUID | None
    campaign_key: str | None
    expires_at: datetime


@dataclass(frozen=True)
class InvitationRow(NewInvitation):
    """A stored invitation with the questionnaire it shows."""

    definition: dict[str, Any]  # JSON of rules.questionnaire.Questionnaire


_ADD = """
INSERT INTO invitations (invitation_id, customer_id, anchor_id, questionnaire_key, questionnaire_version, run_id,
                         campaign_key, expires_at, issued_at)
SELECT *, $9
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::int[], $6::uuid[], $7::text[], $8::timestamptz[])
ON CONFLICT (invitation_id) DO NOTHING
RETURNING invitation_id
"""


async def add_invitations(session: AsyncSession, invitations: Sequence[NewInvitation], *, now: datetime) -> set[UUID]:
    """Store invitations in one statement; return the ids that were not there before."""
    columns = zip(
        *(
            (
                i.invitation_id,
                i.customer_id,
                i.anchor_id,
                i.questionnaire_key,
                i.questionnaire_version,
                i.run_id,
                i.campaign_key,
                i.expires_at,
            )
            for i in invitations
        ),
        strict=True,
    )
    connection = await raw(session)
    records = await connection.fetch(_ADD, *(list(column) for column in columns), now)
    return {record["invitation_id"] for record in records}


# The anchors table is asked too: an invitation whose customer has just been merged may not be re-keyed yet.
_FIND = """
SELECT i.invitation_id, COALESCE(a.customer_id, i.customer_id) AS customer_id, i.anchor_id, i.questionnaire_key,
       i.questionnaire_version, i.run_id, i.campaign_key, i.expires_at, v.definition
FROM invitations i
JOIN questionnaire_versions v ON v.questionnaire_key = i.questionnaire_key AND v.version = i.questionnaire_version
LEFT JOIN anchors a ON a.anchor_id = i.anchor_id
WHERE i.invitation_id = $1
"""


async def find_invitation(session: AsyncSession, invitation_id: UUID, *, lock: bool = False) -> InvitationRow | None:
    """Return an invitation; `lock` makes a second submit of the same form wait for the first."""
    connection = await raw(session)
    record = await connection.fetchrow(f"{_FIND} {'FOR UPDATE OF i' if lock else ''}", invitation_id)
    return None if record is None else InvitationRow(**record)


async def count_invited(session: AsyncSession, questionnaire_key: str | None) -> int:
    """Count the customers ever invited (to this questionnaire)."""
    connection = await raw(session)
    condition, arguments = (
        ("", []) if questionnaire_key is None else ("WHERE questionnaire_key = $1", [questionnaire_key])
    )
    invited = await connection.fetchval(
        f"SELECT count(*) FROM (SELECT DISTINCT customer_id FROM invitations {condition}) AS invited",  # noqa: S608  # ours
        *arguments,
    )
    return int(invited)


async def invitations_of_erased(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    """Return the expiries of these customers' invitations, by id."""
    connection = await raw(session)
    records = await connection.fetch(
        f"SELECT t.invitation_id, t.expires_at FROM invitations t WHERE {OWNED}",  # noqa: S608  # ours
        list(customer_ids),
    )
    return {record["invitation_id"]: record["expires_at"] for record in records}


async def delete_stored_answers(session: AsyncSession, paths: Sequence[str]) -> int:
    """Delete the answers stored for requests that come again at these paths; return how many."""
    connection = await raw(session)
    status = await connection.execute("DELETE FROM idempotency_keys WHERE subject = ANY($1::text[])", list(paths))
    return int(status.rsplit(" ", 1)[-1])
