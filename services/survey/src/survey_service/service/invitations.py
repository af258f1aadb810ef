"""Inviting customers to answer."""

from collections.abc import Sequence
from datetime import datetime

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.campaign import AnswerRequested
from servicekit.outbox import publish
from survey_service import events
from survey_service.errors import UnknownQuestionnaire
from survey_service.repository import invitations as repository
from survey_service.repository.questionnaires import present_versions
from survey_service.rules.links import Link, LinkSigner

log = structlog.get_logger(__name__)


async def issue_invitations(
    session: AsyncSession, requests: Sequence[AnswerRequested], *, links: LinkSigner, now: datetime
) -> None:
    """Store the invitations that are new and say that their links want to be sent; two statements for thousands.

    A request that has expired while it waited is passed over: its link would be dead on arrival.

    Raises:
        UnknownQuestionnaire: one of them asks for a questionnaire nobody stored; it becomes a dead letter, to be
            replayed when there is one.
    """
    alive = [request for request in requests if request.expires_at > now]
    if len(alive) < len(requests):
        log.warning("invitations_expired_before_issue", count=len(requests) - len(alive))
    if not alive:
        return
    versions = await present_versions(session, {request.questionnaire_key for request in alive})
    if any(request.questionnaire_key not in versions for request in alive):
        raise UnknownQuestionnaire
    added = await repository.add_invitations(session, [_new(request, versions) for request in alive], now=now)
    issued = {request.invitation_id: request for request in alive if request.invitation_id in added}
    await publish(
        session,
        [
            events.invitation_issued(request, url=links.url(Link(invitation_id, request.expires_at)), now=now)
            for invitation_id, request in issued.items()
        ],
    )


def _new(request: AnswerRequested, versions: dict[str, int]) -> repository.NewInvitation:
    return repository.NewInvitation(
        invitation_id=request.invitation_id,
        customer_id=request.customer_id,
        anchor_id=request.anchor_id,
        questionnaire_key=request.questionnaire_key,
        questionnaire_version=versions[request.questionnaire_key],
        run_id=request.run_id,
        campaign_key=request.campaign_key,
        expires_at=request.expires_at,
    )
