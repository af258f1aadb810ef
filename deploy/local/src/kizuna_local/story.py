"""The story told on a fresh platform, by the package kizuna_demo: `python -m kizuna_local.story CREDENTIALS_FILE`."""

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

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


class StoryTelling:
    """The story as a process of its own, so that the launcher can watch the others meanwhile."""

    def __init__(self, home: Home, *, say: Callable[[str], None]) -> None:
        command = [sys.executable, "-m", "kizuna_local.story", str(home.credentials_file)]
        self._say = say
        self._stopped = False
        self._process = subprocess.Popen(command, start_new_session=True)
        threading.Thread(target=self._report, daemon=True).start()

    def stop(self) -> None:
        """Break off, if it is still being told."""
        self._stopped = True
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait()

    def _report(self) -> None:
        if self._process.wait() != 0 and not self._stopped:
            self._say("The story broke off. The platform goes on; start it again to go on with the story.")


def tell(credentials_file: Path) -> None:
    """Tell the story in this process. Raises LauncherError when it cannot go on."""
    from kizuna_demo import story  # only where it is installed and wanted
    from kizuna_demo.errors import StoryError

    try:
        story.run(credentials_file)
    except StoryError as error:
        raise LauncherError(str(error)) from error


def main() -> None:
    """Tell it; a story that cannot go on says why in one sentence."""
    try:
        tell(Path(sys.argv[1]))
    except LauncherError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
