"""What came back: opens, clicks, unsubscribes."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from delivery_service import events
from delivery_service.repository import tracking as repository
from delivery_service.repository.permissions import hold_addresses
from delivery_service.repository.tracking import Subscription
from delivery_service.rules import with_utm
from delivery_service.service.permissions import withdraw
from delivery_service.tokens import Token
from servicekit.outbox import publish


async def opened(session: AsyncSession, token: Token, *, now: datetime) -> None:
    """Note an open; only the first is said."""
    message = await repository.record_open(session, token.message_id, now=now)
    if message is not None:
        await publish(session, [events.message_opened(message, now)])


async def clicked(session: AsyncSession, token: Token, *, now: datetime) -> str | None:
    """Note a click and return the address it leads to: the one stored with the template's version, or None."""
    click = await repository.record_click(session, token.message_id, token.link, now=now)
    if click is None:
        return None
    if click.first:
        await publish(session, [events.message_clicked(click.message, click.label, click.url, now)])
    return with_utm(click.url, campaign=click.message.campaign_key, content=click.label) if click.utm else click.url


async def subscription(session: AsyncSession, token: Token) -> Subscription | None:
    """Return what an unsubscribe link is about; changes nothing."""
    return await repository.find_subscription(session, token.message_id)


async def unsubscribe(session: AsyncSession, token: Token, *, basis: str, now: datetime) -> Subscription | None:
    """Withdraw the permission the message was sent by, of the address it went to. Again changes nothing."""
    await hold_addresses(session)  # an erasure in between would leave what is noted here behind
    found = await repository.find_subscription(session, token.message_id)
    if found is not None:
        await withdraw(session, [found.address], channel=found.channel, topic=found.topic, basis=basis, now=now)
    return found
