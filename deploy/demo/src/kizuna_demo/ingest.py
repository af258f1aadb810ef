"""Tells a source's events to the public ingest: `POST /v1/batch`, as any partner's system would.

Several requests are in flight; a refused or broken one is repeated with a growing pause. Message ids are fixed, so
nothing is ever counted twice, whichever request was repeated and whoever was killed in between.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import aiohttp

from kizuna_demo.errors import StoryError
from kizuna_demo.segment_spec import Batch, Event, batches

REQUESTS_IN_FLIGHT = 4
_FIRST_PAUSE_SECONDS = 0.25
_LONGEST_PAUSE_SECONDS = 5.0
_PATIENCE_SECONDS = 180.0
"""A request is given up after so much waiting: identity has then been away for minutes."""
_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass(slots=True)
class Told:
    """What the ingest answered. `repeated` counts requests that had to be sent again."""

    events: int = 0
    rejected: int = 0
    repeated: int = 0


class Ingest:
    """One source's way in, with its write key."""

    def __init__(self, session: aiohttp.ClientSession, *, url: str, write_key: str) -> None:
        self._session = session
        self._address = f"{url}/v1/batch"
        self._headers = {
            "Authorization": aiohttp.encode_basic_auth(write_key, ""),
            "Content-Type": "application/json",
        }

    async def tell(self, events: Iterable[Event], *, on_progress: Callable[[int], None] = lambda _: None) -> Told:
        """Send all events; returns when every one is acknowledged. `on_progress` hears how many just were.

        Raises StoryError when identity stays away or refuses the request itself.
        """
        told = Told()
        remaining = batches(events)
        async with asyncio.TaskGroup() as group:
            for _ in range(REQUESTS_IN_FLIGHT):
                group.create_task(self._send_all(remaining, told=told, on_progress=on_progress))
        return told

    async def _send_all(self, remaining: Iterator[Batch], *, told: Told, on_progress: Callable[[int], None]) -> None:
        for batch in remaining:
            told.rejected += await self._send(batch, told=told)
            told.events += batch.events
            on_progress(batch.events)

    async def _send(self, batch: Batch, *, told: Told) -> int:
        """Send until acknowledged; returns how many of its events were rejected."""
        pause, waited = _FIRST_PAUSE_SECONDS, 0.0
        while True:
            try:
                return await self._post(batch)
            except (_TryAgain, aiohttp.ClientError, TimeoutError) as trouble:
                if waited > _PATIENCE_SECONDS:
                    raise StoryError(
                        f"{self._address} does not take events ({trouble}): see `kizuna status`"
                    ) from trouble
            await asyncio.sleep(pause)
            waited += pause
            pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
            told.repeated += 1

    async def _post(self, batch: Batch) -> int:
        async with self._session.post(
            self._address, data=batch.body, headers=self._headers, timeout=_REQUEST_TIMEOUT
        ) as response:
            if response.status == 429 or response.status >= 500:
                raise _TryAgain(f"HTTP {response.status}")
            if response.status != 200:
                raise StoryError(f"{self._address} refused a batch: HTTP {response.status} {await response.text()}")
            answer = await response.json()
            return len(answer.get("rejected", []))


class _TryAgain(Exception):
    """The server asks for patience."""
