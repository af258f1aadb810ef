"""Keeping questionnaires."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.errors import PreconditionFailed
from survey_service.errors import QuestionnaireDoesNotFit, UnknownQuestionnaire
from survey_service.repository import questionnaires as repository
from survey_service.rules.questionnaire import Questionnaire, check_questionnaire


@dataclass(frozen=True)
class SavedQuestionnaire:
    """A questionnaire under its key, in one version."""

    key: str
    version: int
    questionnaire: Questionnaire
    created_at: datetime
    updated_at: datetime


def read_definition(definition: object) -> Questionnaire:
    """Read a stored questionnaire; fields a newer version of this service stored are passed over."""
    return Questionnaire.model_validate(definition, extra="ignore")


async def save_questionnaire(
    session: AsyncSession, key: str, *, questionnaire: Questionnaire, if_match: int | None, now: datetime
) -> tuple[SavedQuestionnaire, bool]:
    """Store a questionnaire as its next version, unless it says what the present one says; tell whether it is new.

    Invitations issued before keep showing the version they were issued with.

    Raises:
        QuestionnaireDoesNotFit: it makes no sense.
        PreconditionFailed: `if_match` is not the present version.
    """
    problems = check_questionnaire(questionnaire)
    if problems:
        raise QuestionnaireDoesNotFit(problems)
    definition = questionnaire.model_dump(mode="json")
    present = await repository.find_questionnaire(session, key, lock=True)
    if present is None:
        if if_match is not None:
            raise PreconditionFailed("There is no questionnaire with this key yet; leave If-Match out to create it.")
        if await repository.add_questionnaire(session, key, definition=definition, now=now):
            return SavedQuestionnaire(key, 1, questionnaire, now, now), True
        present = await repository.find_questionnaire(session, key, lock=True)
        assert present is not None  # somebody else has just created it, and nothing deletes one
    if if_match is not None and if_match != present.version:
        raise PreconditionFailed(f"The present version is {present.version}. Read it again and repeat.")
    if present.definition == definition:
        return SavedQuestionnaire(key, present.version, questionnaire, present.created_at, present.updated_at), False
    await repository.replace_questionnaire(session, key, version=present.version + 1, definition=definition, now=now)
    return SavedQuestionnaire(key, present.version + 1, questionnaire, present.created_at, now), False


async def get_questionnaire(session: AsyncSession, key: str, *, version: int | None) -> SavedQuestionnaire:
    """Return one version, the present one by default.

    Raises:
        UnknownQuestionnaire: there is none.
    """
    row = await repository.find_questionnaire(session, key, version=version)
    if row is None:
        raise UnknownQuestionnaire
    return _saved(row)


async def list_questionnaires(session: AsyncSession) -> list[SavedQuestionnaire]:
    """Return every questionnaire's present version, by key."""
    return [_saved(row) for row in await repository.list_questionnaires(session)]


def _saved(row: repository.QuestionnaireRow) -> SavedQuestionnaire:
    return SavedQuestionnaire(row.key, row.version, read_definition(row.definition), row.created_at, row.updated_at)
