"""What survey says to the others. Every event id is derived, so that the same thing said twice is one thing."""

from datetime import datetime
from uuid import UUID, uuid5

from contracts.campaign import AnswerRequested
from contracts.survey import Answer, CommitmentChanged, CommitmentMade, InvitationIssued, ResponseReceived
from survey_service.repository.commitments import CommitmentRow
from survey_service.repository.responses import ResponseRow


def message_id_of(invitation_id: UUID) -> UUID:
    """Return the idempotency key of the message that carries an invitation's link."""
    return uuid5(invitation_id, "message")


def invitation_issued(request: AnswerRequested, *, url: str, now: datetime) -> InvitationIssued:
    """Say that a personal link exists and wants to be sent."""
    return InvitationIssued(
        event_id=uuid5(request.invitation_id, "issued"),
        customer_id=request.customer_id,
        anchor_id=request.anchor_id,
        occurred_at=now,
        invitation_id=request.invitation_id,
        message_id=message_id_of(request.invitation_id),
        questionnaire_key=request.questionnaire_key,
        run_id=request.run_id,
        campaign_key=request.campaign_key,
        channel=request.channel,
        template_key=request.template_key,
        topic=request.topic,
        url=url,
        expires_at=request.expires_at,
    )


def response_received(response: ResponseRow) -> ResponseReceived:
    """Say what a customer answered, in its latest revision."""
    return ResponseReceived(
        event_id=uuid5(response.response_id, f"revision:{response.revision}"),
        customer_id=response.customer_id,
        anchor_id=response.anchor_id,
        occurred_at=response.answered_at,
        response_id=response.response_id,
        invitation_id=response.invitation_id,
        questionnaire_key=response.questionnaire_key,
        run_id=response.run_id,
        campaign_key=response.campaign_key,
        revision=response.revision,
        answers=[Answer(question_key=key, value=value) for key, value in response.answers.items()],
        nps_score=response.nps_score,
    )


def commitment_said(commitment: CommitmentRow) -> CommitmentMade | CommitmentChanged:
    """Say that a promise was made (its first version) or that its status changed."""
    fact = CommitmentMade if commitment.version == 1 else CommitmentChanged
    return fact(
        event_id=uuid5(commitment.commitment_id, f"version:{commitment.version}"),
        customer_id=commitment.customer_id,
        anchor_id=commitment.anchor_id,
        occurred_at=commitment.changed_at,
        commitment_id=commitment.commitment_id,
        kind=commitment.kind,
        subject=commitment.subject,
        status=commitment.status,
        owner_department=commitment.owner_department,
        due_on=commitment.due_on,
        response_id=commitment.response_id,
    )
