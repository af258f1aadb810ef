"""Workers: what a service does when nobody asks."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import structlog

log = structlog.get_logger(__name__)


class Worker(Protocol):
    """Something that runs until told to stop, and finishes what it has in hand before it returns."""

    @property
    def name(self) -> str: ...

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        ...


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Sleep, but wake at once when told to stop."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def first_of(*events: asyncio.Event, seconds: float) -> None:
    """Wait until one of the events is set, at most `seconds`."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


class PeriodicWorker:
    """Calls an action every `interval_seconds`, and again at once while it returns True (more work waits).

    `wake()` makes the next call happen now.
    """

    def __init__(self, name: str, interval_seconds: float, action: Callable[[], Awaitable[bool]]) -> None:
        self.name = name
        self._interval = interval_seconds
        self._action = action
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Do not wait for the interval."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set."""
        while not stop.is_set():
            self._woken.clear()
            if await self._action():
                continue
            await first_of(self._woken, stop, seconds=self._interval)


async def supervise(worker: Worker, stop: asyncio.Event) -> None:
    """Run a worker; start it again with back-off when it fails."""
    delay = 0.2
    loop = asyncio.get_running_loop()
    while not stop.is_set():
        started = loop.time()
        try:
            await worker.run(stop)
            return
        except Exception as error:  # noqa: BLE001  # any failure of a worker: it must come back
            if loop.time() - started > 30:
                delay = 0.2
            log.warning("worker_failed", worker=worker.name, error=describe(error), retry_in_seconds=delay)
            await pause(stop, delay)
            delay = min(delay * 2, 10)


def describe(error: BaseException) -> str:
    """Name an error and the place it came from, without its message: messages of drivers may hold personal data."""
    place = ""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{'/'.join(code.co_filename.rsplit('/', 2)[-2:])}:{trace.tb_lineno} {code.co_name}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"


async def run_all(workers: Sequence[Worker], stop: asyncio.Event) -> None:
    """Run workers side by side until `stop` is set and each has finished what it had in hand."""
    async with asyncio.TaskGroup() as group:
        for worker in workers:
            group.create_task(supervise(worker, stop), name=worker.name)
