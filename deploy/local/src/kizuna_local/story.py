"""The story told on a fresh platform, by the package kizuna_demo in a process of its own."""

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Callable

from kizuna_local.errors import LauncherError
from kizuna_local.home import Home

STORIES = ("cdnow", "none")


def is_to_be_told(home: Home, story: str) -> bool:
    """Whether the story was asked for and has not been told here yet. Raises LauncherError when it is not installed."""
    if story == "none" or home.story_file.exists():
        return False
    if importlib.util.find_spec("kizuna_demo") is None:
        raise LauncherError("The demo is not installed. Run `make install`, or start with `--demo none`.")
    return True


def tell(home: Home) -> int:
    """Tell it and wait for its end. Returns the exit code."""
    return subprocess.run(_command(home), check=False).returncode


class StoryTelling:
    """The story while the launcher watches the platform. It has a session of its own, as every process we stop."""

    def __init__(self, home: Home, *, say: Callable[[str], None]) -> None:
        self._say = say
        self._stopped = False
        self._process = subprocess.Popen(_command(home), start_new_session=True)
        threading.Thread(target=self._report, daemon=True).start()

    def stop(self) -> None:
        """Break off, if it is still being told."""
        self._stopped = True
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _report(self) -> None:
        if self._process.wait() != 0 and not self._stopped:
            self._say("The story broke off; the platform goes on. `kizuna up --demo cdnow` goes on with it.")


def _command(home: Home) -> list[str]:
    return [sys.executable, "-m", "kizuna_demo", "--credentials", str(home.credentials_file)]
