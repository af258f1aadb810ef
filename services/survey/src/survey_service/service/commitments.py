"""Looking after promises."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.errors import Invalid, PreconditionFailed
from servicekit.moves import hold_moves
from servicekit.outbox import publish
from survey_service import events
from survey_service.errors import StatusNotAllowed, UnknownCommitment
from survey_service.repository import commitments as repository
from survey_service.repository.commitments import ChangeRow, CommitmentRow
from survey_service.rules.commitments import ALLOWED, Status


async def change_status(
    session: AsyncSession,
    commitment_id: UUID,
    *,
    status: Status,
    proof: str | None,
    if_match: int | None,
    changed_by: str,
    now: datetime,
) -> CommitmentRow:
    """Report what became of a promise. Saying the same again changes nothing; a new proof is a new report.

    Raises:
        Invalid: it is said to be kept without a proof.
        UnknownCommitment: there is no such promise.
        PreconditionFailed: `if_match` is not its present version.
        StatusNotAllowed: the present status does not lead to this one.
    """
    if status == "kept" and proof is None:
        raise Invalid("Say by what the promise was kept.", field="proof")
    await hold_moves(session)
    present = await repository.lock_commitment(session, commitment_id)
    if present is None:
        raise UnknownCommitment
    if if_match is not None and if_match != present.version:
        raise PreconditionFailed(f"The present version is {present.version}. Read it again and repeat.")
    if (present.status, present.proof) == (status, proof):
        return present
    if status not in ALLOWED[present.status]:
        raise StatusNotAllowed(f"A commitment that is {present.status} cannot become {status}.", field="status")
    changed = replace(present, status=status, proof=proof, version=present.version + 1, changed_at=now)
    await repository.save_commitments(session, [changed], changed_by=changed_by)
    await publish(session, [events.commitment_said(changed)])
    return changed


async def get_commitment(session: AsyncSession, commitment_id: UUID) -> tuple[CommitmentRow, list[ChangeRow]]:
    """Return a promise and every version of its status, oldest first.

    Raises:
        UnknownCommitment: there is no such promise.
    """
    commitment = await repository.find_commitment(session, commitment_id)
    if commitment is None:
        raise UnknownCommitment
    return commitment, await repository.history_of(session, commitment_id)


async def list_commitments(
    session: AsyncSession, *, status: Status | None, first: int, after: tuple[datetime, UUID] | None
) -> tuple[list[CommitmentRow], bool]:
    """Return a page of promises, the latest made first, and whether there are more."""
    rows = await repository.list_commitments(session, status=status, first=first + 1, after=after)
    return rows[:first], len(rows) > first


async def commitments_of_customers(
    session: AsyncSession, customer_ids: Sequence[UUID]
) -> dict[UUID, list[CommitmentRow]]:
    """Return each customer's promises, the latest made first; a customer without any has an empty list."""
    found: dict[UUID, list[CommitmentRow]] = {customer_id: [] for customer_id in customer_ids}
    for commitment in await repository.commitments_of_customers(session, list(found)):
        found[commitment.customer_id].append(commitment)
    return found
