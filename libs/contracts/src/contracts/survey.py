"""Facts published by survey: invitations, answers, and what a customer was promised."""

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from contracts.campaign import Channel
from contracts.fact import Data, Fact

CommitmentStatus = Literal["open", "kept", "breached", "withdrawn"]


class InvitationIssued(Fact):
    """A personal link exists and wants to be sent by delivery. `message_id` is the send's idempotency key."""

    fact_type: ClassVar[str] = "survey.invitation.issued.v1"

    invitation_id: UUID
    message_id: UUID
    questionnaire_key: str
    run_id: UUID | None
    campaign_key: str | None
    channel: Channel
    template_key: str
    topic: str
    url: str
    expires_at: AwareDatetime


class Answer(Data):
    """One question's answer: a number (scale, NPS), a choice's key, choices' keys, or text."""

    question_key: str
    value: int | str | list[str]


class ResponseReceived(Fact):
    """The customer answered; a later one to the same invitation replaces the earlier (`revision` counts)."""

    fact_type: ClassVar[str] = "survey.response.received.v1"

    response_id: UUID
    invitation_id: UUID
    questionnaire_key: str
    run_id: UUID | None
    campaign_key: str | None
    revision: int
    answers: list[Answer]
    nps_score: int | None
    """0-10 when the questionnaire holds an NPS question that was answered."""


class CommitmentFact(Fact):
    """A promise to one customer, as data."""

    commitment_id: UUID
    kind: str
    """E.g. `tell_me_first`, `tell_me_when_gone`, `keep_price`, `stays_while`."""
    subject: str
    """What it is about, in the customer's or the questionnaire's words, e.g. `new_arrivals`."""
    status: CommitmentStatus
    owner_department: str
    due_on: date | None
    response_id: UUID | None


class CommitmentMade(CommitmentFact):
    """The customer stated it and it was accepted."""

    fact_type: ClassVar[str] = "survey.commitment.made.v1"


class CommitmentChanged(CommitmentFact):
    """Its status changed: kept (with proof), breached, or withdrawn."""

    fact_type: ClassVar[str] = "survey.commitment.changed.v1"


class SurveyCustomerErased(Fact):
    """The receipt: what survey held on the customer is erased."""

    fact_type: ClassVar[str] = "survey.customer.erased.v1"

    erasure_id: UUID
    rows: dict[str, int]
    """Rows erased, by table."""
