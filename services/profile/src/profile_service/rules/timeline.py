"""What an event looks like on a timeline, and what is concluded from it without a database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

MAX_NAME_LENGTH = 200


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One event as profile keeps it. `traits` are what its source said of the customer, not of the event."""

    event_id: UUID
    customer_id: UUID
    anchor_id: UUID
    occurred_at: datetime
    kind: str
    name: str
    source_id: str
    properties: Mapping[str, Any] = field(default_factory=dict)  # free JSON by the Segment specification
    traits: Mapping[str, Any] = field(default_factory=dict)  # free JSON by the Segment specification
    received_at: datetime | None = None
    """By Kizuna; None: when it happened."""


def storable_text(text: str) -> str:
    """A name as the database can keep and index it: without NUL, at most MAX_NAME_LENGTH characters."""
    return text.replace("\0", "")[:MAX_NAME_LENGTH]


def without_nul(value: Any) -> Any:  # any JSON value
    """A JSON value without the NUL character, which PostgreSQL's jsonb cannot hold, in any text or name."""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, list):
        return [without_nul(item) for item in value]
    if isinstance(value, dict):
        return {name.replace("\0", ""): without_nul(item) for name, item in value.items()}
    return value


def recency_days(*, last_purchase_at: datetime, now: datetime, zone: ZoneInfo) -> int:
    """Calendar days in the customers' zone since the last purchase: 0 for today, and for a date still to come."""
    days = (now.astimezone(zone).date() - last_purchase_at.astimezone(zone).date()).days
    return max(0, days)
