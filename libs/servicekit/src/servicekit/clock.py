"""Time as a dependency, so that a year of journeys runs in seconds in tests."""

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Where code asks what time it is."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current instant, aware, in UTC."""
        return datetime.now(UTC)


class FrozenClock:
    """A clock that moves only when told to."""

    def __init__(self, start: datetime) -> None:
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the instant last set, in UTC."""
        return self._now

    def set(self, instant: datetime) -> None:
        """Jump to an aware instant."""
        self._now = instant.astimezone(UTC)

    def advance(self, duration: timedelta) -> None:
        """Move on by a duration."""
        self._now += duration
