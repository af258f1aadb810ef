"""Waiting for what happens elsewhere, without waiting for ever."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from kizuna_demo.errors import StoryError

Seen = TypeVar("Seen")

PATIENCE_SECONDS = 120.0
_PAUSE_SECONDS = 0.5


async def wait_until(
    look: Callable[[], Awaitable[Seen]],
    enough: Callable[[Seen], bool],
    *,
    what: str,
    on_change: Callable[[Seen], None] = lambda _: None,
    patience_seconds: float = PATIENCE_SECONDS,
) -> Seen:
    """Look again and again until it is enough; returns what was seen then.

    Raises StoryError when nothing changes for `patience_seconds` (time alone is no reason to give up).
    """
    seen: Seen | None = None
    changed_at = time.monotonic()
    while True:
        now = await look()
        if now != seen:
            seen, changed_at = now, time.monotonic()
            on_change(now)
        if enough(now):
            return now
        if time.monotonic() - changed_at > patience_seconds:
            raise StoryError(f"Waited {patience_seconds:.0f} s in vain: {what}. Last seen: {now}. See `kizuna status`.")
        await asyncio.sleep(_PAUSE_SECONDS)
