"""What came back: opens, clicks, and whom an unsubscribe link speaks for."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from delivery_service.repository.messages import MessageKey, message_key
from servicekit.database import load_sql, raw

_RECORD_CLICK = load_sql("delivery_service", "record_click")


@dataclass(frozen=True, slots=True)
class Click:
    """Where a tracked link leads. `first` tells whether it was followed for the first time."""

    message: MessageKey
    label: str
    url: str
    utm: bool
    first: bool


@dataclass(frozen=True, slots=True)
class Subscription:
    """What an unsubscribe link is about."""

    channel: str
    address: str
    topic: str
    topic_name: str | None


async def record_open(session: AsyncSession, message_id: UUID, *, now: datetime) -> MessageKey | None:
    """Note the first load of the pixel; None when it is not the first, or there is no such message."""
    row = await (await raw(session)).fetchrow(
        "UPDATE messages SET opened_at = $2 WHERE message_id = $1 AND opened_at IS NULL "
        "RETURNING message_id, anchor_id, customer_id, run_id, campaign_key, channel, template_key",
        message_id,
        now,
    )
    return message_key(row) if row is not None else None


async def record_click(session: AsyncSession, message_id: UUID, link: int, *, now: datetime) -> Click | None:
    """Note the first click of a link and return where it leads; None when there is no such message or link."""
    row = await (await raw(session)).fetchrow(_RECORD_CLICK, message_id, link, now)
    return Click(message_key(row), row["label"], row["url"], row["utm"], row["first"]) if row is not None else None


async def find_subscription(session: AsyncSession, message_id: UUID) -> Subscription | None:
    """Return the address a message went to, and its topic; None when either is unknown (any more)."""
    row = await (await raw(session)).fetchrow(
        """
        SELECT c.channel, c.address, m.topic, o.name AS topic_name
        FROM messages m JOIN contact_points c ON c.anchor_id = m.contact_anchor_id LEFT JOIN topics o ON o.key = m.topic
        WHERE m.message_id = $1
        """,
        message_id,
    )
    return Subscription(**dict(row)) if row is not None else None
