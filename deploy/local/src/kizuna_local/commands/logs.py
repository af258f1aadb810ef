"""Show the last lines of every log, or of one process's."""

import argparse
import time
from collections import deque
from pathlib import Path

from kizuna_local.errors import LauncherError
from kizuna_local.home import Home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "name", nargs="?", help="gateway, identity, ... nats, postgres, mailbox, launcher; all when left out"
    )
    parser.add_argument("--lines", type=int, default=20, help="how many of the last lines (20)")
    parser.add_argument("--follow", action="store_true", help="go on with what is written from now on")


def run(arguments: argparse.Namespace) -> int:
    """Print the ends of the logs, each line with its log's name when there are several."""
    files = _log_files(Home.from_environment(), arguments.name)
    marks = {file: f"{file.stem:<9}| " if len(files) > 1 else "" for file in files}
    positions = {}
    for file in files:
        with file.open(encoding="utf-8", errors="replace") as log:
            for line in deque(log, maxlen=max(0, arguments.lines)):
                print(marks[file] + line.rstrip("\n"), flush=True)
            positions[file] = log.tell()
    while arguments.follow:
        time.sleep(0.2)
        for file in files:
            positions[file] = _print_new_lines(file, positions[file], mark=marks[file])
    return 0


def _log_files(home: Home, name: str | None) -> list[Path]:
    found = sorted(home.logs.glob("*.log"))
    chosen = [file for file in found if name in (None, file.stem)]
    if not chosen:
        there_are = ", ".join(file.stem for file in found) or "none yet; `kizuna up` starts the platform"
        raise LauncherError(f"No such log in {home.logs}. There are: {there_are}.")
    return chosen


def _print_new_lines(file: Path, position: int, *, mark: str) -> int:
    """Print what was added after `position` (bytes) and return the new end; a log put aside is begun anew."""
    if file.stat().st_size < position:
        position = 0
    with file.open("rb") as log:
        log.seek(position)
        while (line := log.readline()).endswith(b"\n"):
            print(mark + line.decode("utf-8", "replace").rstrip("\n"), flush=True)
            position += len(line)
    return position
