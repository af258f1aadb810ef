"""Repeating a request while a service is busy or being restarted; every request the demo makes may be repeated."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import aiohttp

from kizuna_demo.errors import StoryError

Answer = TypeVar("Answer")

PATIENCE_SECONDS = 180.0
"""For so long one request is repeated; a platform that is away longer needs a person."""
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 4.0


class TemporaryTrouble(Exception):
    """A service is busy or away for the moment."""


async def patiently(
    attempt: Callable[[], Awaitable[Answer]], *, what: str, on_repeat: Callable[[], None] = lambda: None
) -> Answer:
    """Make attempts, with growing pauses, until one succeeds.

    Raises StoryError naming `what` when patience ends; what the attempt raises else goes through.
    """
    began, pause = time.monotonic(), FIRST_PAUSE_SECONDS
    while True:
        try:
            return await attempt()
        except (TemporaryTrouble, aiohttp.ClientError, TimeoutError) as trouble:
            if time.monotonic() - began > PATIENCE_SECONDS:
                reason = str(trouble) or type(trouble).__name__
                raise StoryError(f"{what} does not answer ({reason}): see `kizuna status`.") from trouble
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
        on_repeat()


def refuse_busy(response: aiohttp.ClientResponse) -> None:
    """Raise TemporaryTrouble for answers that ask to come again."""
    if response.status == 429 or response.status >= 500:
        raise TemporaryTrouble(f"HTTP {response.status}")
