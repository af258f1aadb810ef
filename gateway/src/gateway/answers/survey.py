"""What survey answers."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class AnswerRow(Struct):
    """One question's answer."""

    question_key: str
    value: Raw


class ResponseRow(Struct):
    """One answered questionnaire."""

    id: str = field(name="response_id")
    questionnaire_key: str
    answered_at: str
    nps_score: int | None = None
    answers: list[AnswerRow] = []


class ResponsesOfCustomer(Struct):
    """Responses, newest first."""

    customer_id: str
    responses: list[ResponseRow] = []


class ResponsesAnswer(Struct):
    """POST /v1/responses:batchGet"""

    customers: list[ResponsesOfCustomer]


class CommitmentRow(Struct):
    """A promise to the customer."""

    id: str = field(name="commitment_id")
    kind: str
    subject: str
    status: str
    made_at: str
    questionnaire_key: str | None = None
    text: str | None = None
    owner_department: str | None = None
    due_on: str | None = None
    proof: str | None = None
    changed_at: str | None = None


class CommitmentsOfCustomer(Struct):
    """Commitments, newest first."""

    customer_id: str
    commitments: list[CommitmentRow] = []


class CommitmentsAnswer(Struct):
    """POST /v1/commitments:batchGet"""

    customers: list[CommitmentsOfCustomer]


class QuestionnaireRow(Struct):
    """A questionnaire's definition."""

    key: str
    title: str
    language: str | None = None
    version: int = 1


class QuestionnaireListAnswer(Struct):
    """GET /v1/questionnaires"""

    items: list[QuestionnaireRow]


class CoverageRow(Struct):
    """GET /v1/coverage of survey: how many of those asked answered."""

    invited: int
    answered: int
    base: int | None = None
    coverage: float | None = None
    as_of: str | None = None


class NpsRow(Struct):
    """GET /v1/nps: promoters (9-10) minus detractors (0-6) in percent of the responses."""

    responses: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None = None
    as_of: str | None = None
