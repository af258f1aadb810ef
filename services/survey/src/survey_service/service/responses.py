"""Answering through a personal link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.moves import hold_moves
from servicekit.outbox import Fact, publish
from survey_service import events
from survey_service.errors import AnswersDoNotFit, ExpiredLink, UnknownLink
from survey_service.repository import commitments as commitments_repository
from survey_service.repository import responses as repository
from survey_service.repository.commitments import CommitmentRow
from survey_service.repository.invitations import InvitationRow, find_invitation
from survey_service.repository.responses import ResponseRow
from survey_service.rules import answers as rules
from survey_service.rules.answers import Answers
from survey_service.rules.commitments import Status, Ticked, commitment_id_of, due_on, plan_commitments
from survey_service.rules.links import LinkSigner
from survey_service.rules.questionnaire import CommitmentOption, Question, Questionnaire
from survey_service.service.questionnaires import read_definition

Page = Literal["questions", "follow_up"]
"""The form's two steps: what everybody is asked, and what follows from it."""


@dataclass(frozen=True)
class OpenForm:
    """A form that can be answered now, and what was answered so far."""

    invitation: InvitationRow
    questionnaire: Questionnaire
    response: ResponseRow | None

    @property
    def answers(self) -> Answers:
        """The answers so far."""
        return {} if self.response is None else self.response.answers

    @property
    def has_follow_ups(self) -> bool:
        """Whether the answers so far call for more questions."""
        return bool(rules.follow_ups(self.questionnaire, self.answers))


@dataclass(frozen=True)
class Submission:
    """What an answer led to. `changed` is false when it said what was known."""

    form: OpenForm
    response: ResponseRow
    commitments: list[CommitmentRow]
    changed: bool


async def open_form(
    session: AsyncSession, token: str, *, links: LinkSigner, now: datetime, lock: bool = False
) -> OpenForm:
    """Return the form a personal link leads to; `lock` before answering, so that a second submit waits for the first.

    Raises:
        UnknownLink: the token is not ours, or its invitation is gone.
        ExpiredLink: it was good once.
    """
    link = links.read(token)
    if link is None:
        raise UnknownLink
    if lock:
        await hold_moves(session)
    invitation = await find_invitation(session, link.invitation_id, lock=lock)
    if invitation is None:
        raise UnknownLink
    questionnaire = read_definition(invitation.definition)
    if link.expires_at <= now:
        raise ExpiredLink(language=questionnaire.language)
    return OpenForm(invitation, questionnaire, await repository.find_response(session, invitation.invitation_id))


async def commitments_of(session: AsyncSession, form: OpenForm) -> list[CommitmentRow]:
    """Return the promises the response led to."""
    if form.response is None:
        return []
    return await commitments_repository.commitments_of_response(session, form.response.response_id)


async def submit_answers(
    session: AsyncSession, form: OpenForm, given: Mapping[str, object], *, now: datetime, zone: ZoneInfo
) -> Submission:
    """Store a whole response: what is left out is not answered. The form must be locked.

    Raises:
        AnswersDoNotFit: an answer is refused; nothing changed.
    """
    answers, problems = rules.check_answers(form.questionnaire, given)
    if problems:
        raise AnswersDoNotFit(problems, given=dict(given))
    return await _store(session, form, answers, now=now, zone=zone)


async def submit_page(
    session: AsyncSession,
    form: OpenForm,
    fields: Mapping[str, Sequence[str]],
    *,
    page: Page,
    now: datetime,
    zone: ZoneInfo,
) -> Submission:
    """Store one page of the form as a browser posts it; the other page's answers stay, where they are still asked for.

    Raises:
        AnswersDoNotFit: an answer is refused or a field is not on this page; nothing changed.
    """
    questions = questions_of(form, page)
    unknown = fields.keys() - {question.key for question in questions}
    given = rules.read_form(questions, fields)
    answers, problems = rules.check_page(questions, given)
    problems = [*(rules.AnswerProblem(key, "unknown_question") for key in sorted(unknown)), *problems]
    if problems:
        raise AnswersDoNotFit(problems, given=given)
    merge = rules.merge_first_page if page == "questions" else rules.merge_follow_ups
    merged = merge(form.questionnaire, stored=form.answers, given=answers)
    return await _store(session, form, merged, now=now, zone=zone)


def questions_of(form: OpenForm, page: Page) -> list[Question]:
    """Return the questions on a page."""
    return (
        rules.first_page(form.questionnaire)
        if page == "questions"
        else rules.follow_ups(form.questionnaire, form.answers)
    )


async def _store(
    session: AsyncSession, form: OpenForm, answers: Answers, *, now: datetime, zone: ZoneInfo
) -> Submission:
    if form.response is not None and form.response.answers == answers:
        return Submission(form, form.response, await commitments_of(session, form), changed=False)
    if form.response is None and not answers:
        raise AnswersDoNotFit([rules.AnswerProblem("", "nothing_answered")], given={})
    response = _next_revision(form, answers, now=now)
    await repository.save_response(session, response)
    known = await commitments_repository.commitments_of_response(session, response.response_id, lock=True)
    changed = _changed_commitments(form, response, known, now=now, zone=zone)
    await commitments_repository.save_commitments(session, changed, changed_by="customer")
    facts: list[Fact] = [events.response_received(response), *(events.commitment_said(row) for row in changed)]
    await publish(session, facts)
    current = {commitment.commitment_id: commitment for commitment in [*known, *changed]}
    return Submission(replace(form, response=response), response, list(current.values()), changed=True)


def _next_revision(form: OpenForm, answers: Answers, *, now: datetime) -> ResponseRow:
    invitation, earlier = form.invitation, form.response
    return ResponseRow(
        response_id=uuid5(invitation.invitation_id, "response"),
        invitation_id=invitation.invitation_id,
        customer_id=invitation.customer_id,
        anchor_id=invitation.anchor_id,
        questionnaire_key=invitation.questionnaire_key,
        questionnaire_version=invitation.questionnaire_version,
        run_id=invitation.run_id,
        campaign_key=invitation.campaign_key,
        revision=1 if earlier is None else earlier.revision + 1,
        nps_score=rules.nps_score(form.questionnaire, answers),
        first_answered_at=now if earlier is None else earlier.first_answered_at,
        answered_at=now,
        valid_until=_valid_until(form.questionnaire, answers, now=now),
        answers=answers,
    )


def _valid_until(questionnaire: Questionnaire, answers: Answers, *, now: datetime) -> datetime | None:
    if not answers:
        return now  # everything was taken back: nothing that still counts
    return None if questionnaire.valid_days is None else now + timedelta(days=questionnaire.valid_days)


def _changed_commitments(
    form: OpenForm, response: ResponseRow, known: Sequence[CommitmentRow], *, now: datetime, zone: ZoneInfo
) -> list[CommitmentRow]:
    plan = plan_commitments(form.questionnaire, before=form.answers, after=response.answers)
    by_id = {row.commitment_id: replace(row, customer_id=response.customer_id) for row in known}
    changed = []
    for ticked, option in plan.ticked.items():
        row = by_id.get(commitment_id_of(response.response_id, ticked))
        if row is None:
            changed.append(_made(response, ticked, option, now=now, zone=zone))
        elif row.status == "withdrawn":
            due = due_on(option, made_at=now, zone=zone)
            changed.append(_next_version(row, status="open", proof=None, due_on=due, now=now))
    for ticked in plan.unticked:
        row = by_id.get(commitment_id_of(response.response_id, ticked))
        if row is not None and row.status != "withdrawn":
            changed.append(_next_version(row, status="withdrawn", proof=row.proof, due_on=row.due_on, now=now))
    return changed


def _next_version(
    row: CommitmentRow, *, status: Status, proof: str | None, due_on: date | None, now: datetime
) -> CommitmentRow:
    return replace(row, status=status, proof=proof, due_on=due_on, version=row.version + 1, changed_at=now)


def _made(
    response: ResponseRow, ticked: Ticked, option: CommitmentOption, *, now: datetime, zone: ZoneInfo
) -> CommitmentRow:
    return CommitmentRow(
        commitment_id=commitment_id_of(response.response_id, ticked),
        customer_id=response.customer_id,
        anchor_id=response.anchor_id,
        response_id=response.response_id,
        questionnaire_key=response.questionnaire_key,
        question_key=ticked.question_key,
        option_key=ticked.option_key,
        kind=option.kind,
        subject=option.subject,
        text=option.text,
        owner_department=option.owner_department,
        due_on=due_on(option, made_at=now, zone=zone),
        status="open",
        proof=None,
        version=1,
        made_at=now,
        changed_at=now,
    )


async def responses_of_customers(
    session: AsyncSession, customer_ids: Sequence[UUID], *, first: int
) -> dict[UUID, list[ResponseRow]]:
    """Return each customer's latest responses, newest first; a customer without any has an empty list."""
    found: dict[UUID, list[ResponseRow]] = {customer_id: [] for customer_id in customer_ids}
    for response in await repository.responses_of_customers(session, list(found), first=first):
        found[response.customer_id].append(response)
    return found
