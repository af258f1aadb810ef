"""What survey consumes."""

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.campaign import AnswerRequested
from servicekit.clock import Clock
from servicekit.consumers import Handler
from survey_service.rules.links import LinkSigner
from survey_service.service.invitations import issue_invitations


def on_answers_requested(*, links: LinkSigner, clock: Clock) -> Handler:
    """Return the handler that invites the customers campaign wants to hear from."""

    async def handle(session: AsyncSession, requests: list[AnswerRequested]) -> None:
        await issue_invitations(session, requests, links=links, now=clock.now())

    return handle
