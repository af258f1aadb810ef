"""When an event happened."""

from datetime import UTC, datetime, timedelta
from typing import Any

from identity_service.rules.tracking.shapes import EventFields

_EARLIEST = datetime(1900, 1, 1, tzinfo=UTC)
_LATEST = datetime(2200, 1, 1, tzinfo=UTC)
NO_MOMENT = "An ISO 8601 date and time between 1901 and 2198."
"""What is said of a text that `moment` does not read."""


def is_moment(text: str) -> bool:
    """Tell whether `moment` reads this; faster, for the front door reads every time."""
    try:
        return _EARLIEST.year < datetime.fromisoformat(text).year < _LATEST.year - 1
    except ValueError:
        return False


def moment(text: str) -> datetime | None:
    """Read an ISO 8601 date and time (UTC where no offset is given), or None."""
    try:
        parsed = datetime.fromisoformat(text)
        instant = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return instant if _EARLIEST <= instant <= _LATEST else None


def occurred_at(event: EventFields, *, received_at: datetime, sent_at: Any) -> datetime:
    """Return when the event happened by our clock: `timestamp = receivedAt - (sentAt - originalTimestamp)`.

    Without `sentAt` the source's own time is taken as it is; without any time, the moment of receipt. Nothing happens
    after it was received: a clock that runs ahead is set back to that moment.
    """
    text = event.original_timestamp or event.timestamp
    original = moment(text) if text else None
    if original is None:
        return received_at
    sent = event.sent_at if event.sent_at is not None else sent_at
    sent_moment = moment(sent) if isinstance(sent, str) else None
    skew = timedelta() if sent_moment is None else received_at - sent_moment
    return min(original + skew, received_at)
