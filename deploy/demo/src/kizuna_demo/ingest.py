"""Tells a source's events to the public ingest: `POST /v1/batch`, as any partner's system would.

Several requests are in flight; a refused or broken one is repeated with a growing pause. Message ids are fixed, so
nothing is ever counted twice, whichever request was repeated and whoever was killed in between.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import aiohttp

from kizuna_demo.errors import StoryError
from kizuna_demo.patience import patiently, refuse_busy
from kizuna_demo.segment_spec import Batch, Event, batches

REQUESTS_IN_FLIGHT = 4
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

        def count_repeat() -> None:
            told.repeated += 1

        return await patiently(lambda: self._post(batch), what=self._address, on_repeat=count_repeat)

    async def _post(self, batch: Batch) -> int:
        async with self._session.post(
            self._address, data=batch.body, headers=self._headers, timeout=_REQUEST_TIMEOUT
        ) as response:
            refuse_busy(response)
            if response.status != 200:
                raise StoryError(f"{self._address} refused a batch: HTTP {response.status} {await response.text()}")
            answer = await response.json()
            return len(answer.get("rejected", []))
