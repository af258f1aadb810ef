"""Request and response bodies of survey's REST API."""

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, JsonValue, StringConstraints, WithJsonSchema

from servicekit.http import Answer, BatchGet, Body
from survey_service.rules.commitments import Status
from survey_service.rules.questionnaire import Language, Paragraphs, Question, Questionnaire, Slug

PageSize = Annotated[int, Field(ge=1, le=200)]
Proof = Annotated[
    str, StringConstraints(min_length=1, max_length=2000, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]+$")
]


class QuestionnaireView(Questionnaire):
    """A questionnaire in one version."""

    key: str
    version: int
    created_at: datetime
    updated_at: datetime


class QuestionnaireSummary(Answer):
    """A questionnaire in a list."""

    key: str
    version: int
    title: str
    language: Language
    questions: int
    created_at: datetime
    updated_at: datetime


class QuestionnaireList(Answer):
    """Every questionnaire, by key."""

    items: list[QuestionnaireSummary]


class AnswerView(Answer):
    """One question's answer."""

    question_key: str
    value: int | str | list[str]


class ResponseView(Answer):
    """What a customer answered, in its latest revision."""

    response_id: UUID
    invitation_id: UUID
    questionnaire_key: str
    questionnaire_version: int
    run_id: UUID | None
    campaign_key: str | None
    revision: int
    first_answered_at: datetime
    answered_at: datetime
    valid_until: datetime | None
    """When the answer stops counting for coverage and NPS; null: never."""
    nps_score: int | None
    answers: list[AnswerView]


class ResponsesBatchGet(BatchGet):
    """Whose responses, and how many of each customer at most."""

    first: Annotated[int, Field(ge=1, le=100)] = 20


class ResponsesOfCustomer(Answer):
    """One customer's responses, newest first."""

    customer_id: UUID
    responses: list[ResponseView]


class ResponsesOfCustomers(Answer):
    """One entry per requested id, in the order requested."""

    customers: list[ResponsesOfCustomer]


class CommitmentView(Answer):
    """A promise as it stands."""

    commitment_id: UUID
    customer_id: UUID
    response_id: UUID
    questionnaire_key: str
    kind: str
    subject: str
    text: str
    """The words the customer agreed to."""
    status: Status
    owner_department: str
    due_on: date | None
    proof: str | None
    made_at: datetime
    changed_at: datetime
    version: int


class CommitmentChangeView(Answer):
    """One version of a promise's status."""

    version: int
    status: Status
    proof: str | None
    changed_by: str
    changed_at: datetime


class CommitmentWithHistory(CommitmentView):
    """A promise and everything that was said about it, oldest first."""

    history: list[CommitmentChangeView]


class CommitmentPage(Answer):
    """A page of promises; `next` is the cursor of the following page, null on the last."""

    items: list[CommitmentView]
    next: str | None


class CommitmentsOfCustomer(Answer):
    """One customer's promises, the latest made first."""

    customer_id: UUID
    commitments: list[CommitmentView]


class CommitmentsOfCustomers(Answer):
    """One entry per requested id, in the order requested."""

    customers: list[CommitmentsOfCustomer]


class ChangeStatus(Body):
    """What became of a promise. `proof` says by what it was kept (or why it was not): required for `kept`."""

    status: Status
    proof: Proof | None = None


class CoverageView(Answer):
    """How much of the base told us something that still counts."""

    questionnaire_key: str | None
    invited: int
    answered: int
    base: int
    """What `coverage` is a share of: the base asked about, else the customers invited."""
    coverage: float | None
    """0 to 1; null for an empty base."""
    as_of: datetime


class NpsView(Answer):
    """The Net Promoter Score over each customer's latest valid score."""

    questionnaire_key: str | None
    responses: int
    promoters: int
    passives: int
    detractors: int
    nps: float | None
    """-100 to 100; null when nobody answered."""
    as_of: datetime


class CommitmentTotals(Answer):
    """Promises by status."""

    open: int
    kept: int
    breached: int
    withdrawn: int


class TotalsView(Answer):
    """Counts over everything."""

    invited: int
    answered: int
    commitments: CommitmentTotals
    as_of: datetime


class SubmitAnswers(Body):
    """A whole response through a personal link, as JSON: question's key -> value. What is left out is not answered."""

    answers: Annotated[
        dict[
            Slug,
            Annotated[
                JsonValue,
                WithJsonSchema(
                    {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
                ),
            ],
        ],
        Field(max_length=100),
    ]


class StatedCommitment(Answer):
    """A promise, as the customer sees it."""

    commitment_id: UUID
    kind: str
    subject: str
    text: str
    status: Status
    due_on: date | None


class FormView(Answer):
    """A form as JSON: what is asked, and what was answered through this link so far."""

    questionnaire_key: str
    title: str
    language: Language
    introduction: Paragraphs | None
    questions: list[Question]
    thanks: Paragraphs | None
    expires_at: datetime
    revision: int
    """0: not answered yet."""
    answers: list[AnswerView]


class SubmittedView(Answer):
    """What a submitted response led to."""

    response_id: UUID
    invitation_id: UUID
    questionnaire_key: str
    revision: int
    changed: bool
    """False when it said what was known."""
    answered_at: datetime
    nps_score: int | None
    answers: list[AnswerView]
    commitments: list[StatedCommitment]


FormStep = Literal["questions", "follow_up", "thanks"]
