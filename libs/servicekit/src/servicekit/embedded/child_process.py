"""Starting, watching and stopping one server process."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from servicekit.embedded.errors import EmbeddedServerError

POLL_SECONDS = 0.02
LOG_TAIL_LINES = 5


def spawn(
    command: Sequence[str],
    log_file: Path,
    *,
    environment: Mapping[str, str] | None = None,
    working_directory: Path | None = None,
) -> subprocess.Popen[bytes]:
    """Start `command` with its output appended to `log_file`.

    The process gets a session of its own: Ctrl-C in a terminal reaches whoever started us, who then stops the
    servers in the right order, instead of reaching everything at once.
    """
    with log_file.open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=dict(environment) if environment is not None else None,
            cwd=working_directory,
        )


def wait_until_ready(
    process: subprocess.Popen[bytes],
    is_ready: Callable[[], bool],
    *,
    name: str,
    log_file: Path,
    timeout_seconds: float,
) -> None:
    """Return when `is_ready()` holds; raise EmbeddedServerError when the process ends first or time runs out."""
    deadline = time.monotonic() + timeout_seconds
    while not is_ready():
        if process.poll() is not None:
            raise EmbeddedServerError(f"{name} ended while starting ({_last_words(log_file)}); its log is {log_file}")
        if time.monotonic() > deadline:
            raise EmbeddedServerError(f"{name} was not ready within {timeout_seconds:.0f} s; its log is {log_file}")
        time.sleep(POLL_SECONDS)


def find_process(pid: int, *, argument: str) -> psutil.Process | None:
    """The live process `pid`, provided that `argument` is on its command line: process numbers are used again."""
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE or argument not in process.cmdline():
            return None
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return None
    return process


def stop_process(pid: int, signals: Sequence[tuple[signal.Signals, float]], *, is_gone: Callable[[], bool]) -> None:
    """Send each signal in turn, waiting its number of seconds for `is_gone()`, then SIGKILL."""
    for signal_number, patience_seconds in [*signals, (signal.SIGKILL, 5.0)]:
        try:
            os.kill(pid, signal_number)
        except ProcessLookupError:
            return
        deadline = time.monotonic() + patience_seconds
        while time.monotonic() < deadline:
            if is_gone():
                return
            time.sleep(POLL_SECONDS)


def _last_words(log_file: Path) -> str:
    """The last log lines, on one line."""
    try:
        lines = log_file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return "it wrote no log"
    return " | ".join(line.strip() for line in lines[-LOG_TAIL_LINES:]) or "it wrote no log"
