"""When purchases are read: while the goal's window is open, and once more when late events have come in."""

from datetime import datetime, timedelta

LATE = timedelta(days=1)
"""How long after the window's end purchases are still expected to arrive."""


def next_reading(assigned_at: datetime, *, window_days: int, read_at: datetime, interval: timedelta) -> datetime | None:
    """When to read again what was read at `read_at`; None when that was the last time."""
    final = assigned_at + timedelta(days=window_days) + LATE
    return None if read_at >= final else min(read_at + interval, final)
