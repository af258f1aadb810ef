"""Keeps children running: one that dies is started again, after a pause that grows while it keeps dying."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from kizuna_local.processes import Child, PythonProcess
from servicekit.embedded.errors import EmbeddedServerError

POLL_SECONDS = 0.2
FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 30.0
STEADY_SECONDS = 60.0


@dataclass
class Watched:
    """A child and its history. Times are of the monotonic clock."""

    child: Child
    restarts: int = 0
    pause_seconds: float = FIRST_PAUSE_SECONDS
    started_at: float = 0.0
    start_again_at: float | None = None


class Supervisor:
    """Watches children in the order they were started and stops them in the reverse order.

    `say` is called with one sentence for everything a person should know; `on_change` whenever the set of running
    processes has changed.
    """

    def __init__(self, *, say: Callable[[str], None], on_change: Callable[[], None]) -> None:
        self._say = say
        self._on_change = on_change
        self._watched: dict[str, Watched] = {}
        self._groups: list[list[str]] = []
        self._stopping = threading.Event()

    @property
    def watched(self) -> Mapping[str, Watched]:
        """The children by name."""
        return self._watched

    def start_together(self, children: Mapping[str, Child]) -> None:
        """Start a group side by side and return when each has returned from `start`. Raises what a start raises."""
        self._groups.append(list(children))
        for name, child in children.items():
            self._watched[name] = Watched(child, started_at=time.monotonic())
        with ThreadPoolExecutor(max_workers=len(children)) as executor:
            starts = [executor.submit(child.start) for child in children.values()]
        self._on_change()
        for start in starts:
            start.result()

    def watch(self) -> None:
        """Revive what dies until `request_stop` is called."""
        while not self._stopping.is_set():
            for name, watched in self._watched.items():
                self._look_after(name, watched)
            self._stopping.wait(POLL_SECONDS)

    def request_stop(self) -> None:
        """Make `watch` return. May be called from a signal handler."""
        self._stopping.set()

    def stop_all(self) -> None:
        """Stop the groups, last started first; the members of a group side by side."""
        self._stopping.set()
        for names in reversed(self._groups):
            self._stop_group(names)
        self._on_change()

    def _stop_group(self, names: Sequence[str]) -> None:
        with ThreadPoolExecutor(max_workers=len(names)) as executor:
            stops = {name: executor.submit(self._watched[name].child.stop) for name in names}
        for name, stop in stops.items():
            error = stop.exception()
            if error is not None:
                self._say(f"{name} could not be stopped: {error}")

    def _look_after(self, name: str, watched: Watched) -> None:
        if watched.start_again_at is None:
            if not watched.child.is_running():
                self._schedule_start(name, watched)
        elif time.monotonic() >= watched.start_again_at:
            self._start_again(name, watched)

    def _schedule_start(self, name: str, watched: Watched) -> None:
        now = time.monotonic()
        if now - watched.started_at > STEADY_SECONDS:
            watched.pause_seconds = FIRST_PAUSE_SECONDS
        watched.start_again_at = now + watched.pause_seconds
        ending = watched.child.ending if isinstance(watched.child, PythonProcess) else "ended"
        self._say(f"{name} {ending}; starting it again in {watched.pause_seconds:g} s.")
        watched.pause_seconds = min(watched.pause_seconds * 2, LONGEST_PAUSE_SECONDS)

    def _start_again(self, name: str, watched: Watched) -> None:
        watched.start_again_at = None
        watched.started_at = time.monotonic()
        watched.restarts += 1
        try:
            watched.child.start()
        except (EmbeddedServerError, OSError) as error:
            self._say(f"{name} did not start: {error}")
        else:
            self._say(f"{name} is started again.")
        self._on_change()
