"""Messages to be sent, as campaign and survey ask for them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.campaign import MessageRequested
from contracts.survey import InvitationIssued
from delivery_service.repository import messages as repository
from delivery_service.repository.messages import RequestRow


async def take_requests(session: AsyncSession, facts: Sequence[MessageRequested], *, now: datetime) -> None:
    """Enter campaign's requests, one row per message id."""
    await repository.insert_requests(session, [_request(fact, fact.variables) for fact in facts], due_at=now)


async def take_invitations(session: AsyncSession, facts: Sequence[InvitationIssued], *, now: datetime) -> None:
    """Enter survey's invitations; the template shows the personal link as `{{ survey_url }}`."""
    rows = [
        _request(
            fact,
            {
                "survey_url": fact.url,
                "questionnaire_key": fact.questionnaire_key,
                "expires_at": fact.expires_at.isoformat(),
            },
        )
        for fact in facts
    ]
    await repository.insert_requests(session, rows, due_at=now)


def _request(fact: MessageRequested | InvitationIssued, variables: dict[str, Any]) -> RequestRow:  # JSON values
    return RequestRow(
        message_id=fact.message_id,
        anchor_id=fact.anchor_id,
        customer_id=fact.customer_id,
        run_id=fact.run_id,
        campaign_key=fact.campaign_key,
        channel=fact.channel,
        template_key=fact.template_key,
        topic=fact.topic,
        variables=variables,
        requested_at=fact.occurred_at,
    )
