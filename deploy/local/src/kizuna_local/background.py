"""A launcher in the background: started, followed until it is ready, and left alone."""

import subprocess
import sys
import time
from pathlib import Path

from kizuna_local.errors import LauncherError
from kizuna_local.home import Home
from kizuna_local.processes import roll_over
from kizuna_local.run_state import read_state
from kizuna_local.story import tell

READY_SECONDS = 180.0


def start(home: Home, *, parts_only: bool, tell_story: bool) -> int:
    """Start it, show what it says until it is ready, then tell the story here. Returns the exit code."""
    home.prepare()
    if home.is_locked():
        raise LauncherError(f"Kizuna runs already in {home.root}. `kizuna status` shows it, `kizuna down` stops it.")
    log_file = home.log_file("launcher")
    roll_over(log_file)
    with log_file.open("ab") as log:
        seen = log.tell()
        launcher = subprocess.Popen(
            [sys.executable, "-m", "kizuna_local", "up", *(["--parts-only"] if parts_only else [])],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    if not _follow_until_ready(home, launcher, log_file=log_file, seen=seen):
        return 1
    return tell(home) if tell_story else 0


def _follow_until_ready(home: Home, launcher: subprocess.Popen[bytes], *, log_file: Path, seen: int) -> bool:
    deadline = time.monotonic() + READY_SECONDS
    with log_file.open("r", encoding="utf-8", errors="replace") as log:
        log.seek(seen)
        while time.monotonic() < deadline:
            ended = launcher.poll() is not None
            state = read_state(home)
            ready = state.ready and state.launcher is not None and state.launcher.pid == launcher.pid
            print(log.read(), end="", flush=True)
            if ready or ended:
                return ready and not ended
            time.sleep(0.05)
    raise LauncherError(
        f"The launcher is not ready after {READY_SECONDS:.0f} s. See {log_file}; `kizuna down` stops it."
    )
