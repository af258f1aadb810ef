"""What delivery consumes: translate, then call the service."""

from collections.abc import Callable

from sqlalchemy.ext.asyncio import AsyncSession

from contracts.campaign import MessageRequested
from contracts.identity import AgreementChanged, IdentifierLinked, IdentifierSourced
from contracts.survey import InvitationIssued
from delivery_service.erased_addresses import AddressDigests
from delivery_service.service import agreements, intake, permissions
from servicekit.clock import Clock
from servicekit.consumers import Handler
from servicekit.database import wake_after_commit


def identifiers_linked(digests: AddressDigests) -> Handler:
    """Identity linked identifiers: addresses become contact points."""

    async def handle(session: AsyncSession, facts: list[IdentifierLinked]) -> None:
        await permissions.link_contact_points(session, facts, digests=digests)

    return handle


async def identifiers_sourced(session: AsyncSession, facts: list[IdentifierSourced]) -> None:
    """Known identifiers were brought for others, too: they may use the contact points."""
    await permissions.grant_contact_points(session, facts)


async def agreements_changed(session: AsyncSession, notices: list[AgreementChanged]) -> None:
    """Legal entities agreed on something, or no longer do."""
    await agreements.take_agreements(session, notices)


def messages_requested(*, clock: Clock, wake_sender: Callable[[], None]) -> Handler:
    """Campaign wants messages sent."""

    async def handle(session: AsyncSession, facts: list[MessageRequested]) -> None:
        await intake.take_requests(session, facts, now=clock.now())
        wake_after_commit(session, wake_sender)

    return handle


def invitations_issued(*, clock: Clock, wake_sender: Callable[[], None]) -> Handler:
    """Survey wants invitations sent."""

    async def handle(session: AsyncSession, facts: list[InvitationIssued]) -> None:
        await intake.take_invitations(session, facts, now=clock.now())
        wake_after_commit(session, wake_sender)

    return handle
