"""Figures over everybody: coverage, NPS, totals."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from survey_service.errors import UnknownQuestionnaire
from survey_service.repository.commitments import count_commitments
from survey_service.repository.invitations import count_invited
from survey_service.repository.questionnaires import present_versions
from survey_service.repository.responses import NpsCounts, count_answered, count_nps
from survey_service.rules.commitments import Status


@dataclass(frozen=True)
class CoverageCounts:
    """Customers invited, and customers with a valid answer."""

    invited: int
    answered: int


async def measure_coverage(session: AsyncSession, questionnaire_key: str | None, *, now: datetime) -> CoverageCounts:
    """Count customers invited and answered, for one questionnaire or for all.

    Raises:
        UnknownQuestionnaire: there is none with this key.
    """
    await _must_exist(session, questionnaire_key)
    invited = await count_invited(session, questionnaire_key)
    return CoverageCounts(invited, await count_answered(session, questionnaire_key, now=now))


async def measure_nps(session: AsyncSession, questionnaire_key: str | None, *, now: datetime) -> NpsCounts:
    """Count customers by the NPS group of their latest valid score.

    Raises:
        UnknownQuestionnaire: there is none with this key.
    """
    await _must_exist(session, questionnaire_key)
    return await count_nps(session, questionnaire_key, now=now)


async def measure_commitments(session: AsyncSession) -> dict[Status, int]:
    """Count promises by status, every status named."""
    counted = await count_commitments(session)
    statuses: tuple[Status, ...] = ("open", "kept", "breached", "withdrawn")
    return {status: counted.get(status, 0) for status in statuses}


async def _must_exist(session: AsyncSession, questionnaire_key: str | None) -> None:
    if questionnaire_key is not None and not await present_versions(session, [questionnaire_key]):
        raise UnknownQuestionnaire
