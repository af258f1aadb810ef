"""Our own processes (services, gateway, mailbox) as things that start, run and stop."""

import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from kizuna_local.errors import LauncherError
from servicekit.embedded.child_process import spawn

STOP_SECONDS = 25.0
LARGEST_LOG_BYTES = 64 * 1024 * 1024


class Child(Protocol):
    """What the supervisor watches. EmbeddedPostgres and EmbeddedNats are such, and PythonProcess is."""

    @property
    def pid(self) -> int | None: ...

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def is_running(self) -> bool: ...


@dataclass
class PythonProcess:
    """`python -m ...` with its variables and its log."""

    arguments: Sequence[str]
    environment: Mapping[str, str]
    log_file: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        """Start it, without waiting until it is ready."""
        self._process = spawn(self.arguments, self.log_file, environment=self.environment)

    def stop(self) -> None:
        """Ask it to finish (SIGTERM), and end it when it does not."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self.is_running() else None

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def ending(self) -> str:
        """How it ended, for a person."""
        code = self._process.returncode if self._process is not None else None
        if code is None:
            return "has not ended"
        return f"was ended by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"


def run_all_to_the_end(processes: Mapping[str, PythonProcess], *, timeout_seconds: float) -> None:
    """Run short processes side by side. Raises LauncherError naming the first that fails or takes too long."""
    for process in processes.values():
        process.start()
    try:
        for name, process in processes.items():
            _run_to_the_end(name, process, timeout_seconds=timeout_seconds)
    finally:
        for process in processes.values():
            if process.is_running():
                process.stop()


def _run_to_the_end(name: str, process: PythonProcess, *, timeout_seconds: float) -> None:
    wait_until(
        lambda: not process.is_running(),
        timeout_seconds=timeout_seconds,
        otherwise=f"{name} takes longer than {timeout_seconds:.0f} s",
    )
    if process.ending != "ended with code 0":
        raise LauncherError(f"{name} {process.ending}: {last_line(process.log_file)} (log: {process.log_file})")


def wait_until(condition: Callable[[], bool], *, timeout_seconds: float, otherwise: str) -> None:
    """Return when the condition holds. Raises LauncherError with `otherwise` when time runs out."""
    deadline = time.monotonic() + timeout_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LauncherError(otherwise)
        time.sleep(0.02)


def last_line(log_file: Path) -> str:
    """The last line of a log, short enough for a sentence."""
    try:
        lines = log_file.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    except OSError:
        return "it left no log"
    return lines[-1].strip()[:300] if lines else "it left no log"


def roll_over(log_file: Path) -> None:
    """Put a large log aside, in place of the one put aside before."""
    if log_file.exists() and log_file.stat().st_size > LARGEST_LOG_BYTES:
        log_file.replace(log_file.with_suffix(".log.1"))
