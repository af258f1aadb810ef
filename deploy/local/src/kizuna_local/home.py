"""The directory that holds everything the platform writes (`.kizuna`, or KIZUNA_HOME)."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kizuna_local.errors import LauncherError


@dataclass(frozen=True)
class Home:
    """Where things are below the root."""

    root: Path

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Home":
        """Read KIZUNA_HOME; by default `.kizuna` below the current directory."""
        return cls(Path(environment.get("KIZUNA_HOME") or ".kizuna").absolute())

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def nats(self) -> Path:
        return self.root / "nats"

    @property
    def mailbox(self) -> Path:
        return self.root / "mailbox"

    @property
    def keys(self) -> Path:
        return self.root / "keys"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def credentials_file(self) -> Path:
        return self.root / "credentials.json"

    @property
    def story_file(self) -> Path:
        """Written by the story when it has been told."""
        return self.root / "story.json"

    @property
    def state_file(self) -> Path:
        """Which processes run, for `status`, `down` and the next start."""
        return self.root / "run" / "state.json"

    def log_file(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def prepare(self) -> None:
        """Make the directories, closed to other users. Raises LauncherError when that is impossible."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for directory in (self.keys, self.secrets, self.logs, self.mailbox, self.state_file.parent):
                directory.mkdir(mode=0o700, exist_ok=True)
            probe = self.state_file.parent / "writable"
            probe.write_text("")
            probe.unlink()
        except OSError as error:
            raise LauncherError(
                f"Cannot write to {self.root} ({error.strerror}). Set KIZUNA_HOME to a directory you may write to."
            ) from error

    @contextmanager
    def exclusively(self) -> Iterator[None]:
        """Hold the launcher's lock, which ends with its process. Raises LauncherError when somebody holds it."""
        with (self.state_file.parent / "lock").open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise LauncherError(
                    f"Kizuna runs already in {self.root}. `kizuna status` shows it, `kizuna down` stops it."
                ) from error
            yield

    def is_locked(self) -> bool:
        """Whether a launcher holds the lock."""
        lock_file = self.state_file.parent / "lock"
        if not lock_file.exists():
            return False
        with lock_file.open("a+") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                return True
        return False

    def secret(self, name: str) -> str:
        """A random secret of that name, made at the first call, 43 characters of A-Z a-z 0-9 _ and -."""
        file = self.secret_file(name)
        return file.read_text(encoding="ascii")

    def secret_file(self, name: str) -> Path:
        """The file that holds `secret(name)`, readable by its owner only."""
        file = self.secrets / name
        if not file.exists():
            write_private(file, secrets.token_urlsafe(32))
        return file


def write_private(file: Path, content: str) -> None:
    """Replace a file whole, readable by its owner only; a reader sees the old content or the new."""
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(content)
    unfinished.replace(file)


def read_json(file: Path) -> Any:  # Any: a JSON document
    """Parse a JSON file; None when there is none. Raises LauncherError when it is damaged."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise LauncherError(f"{file} is damaged ({error}). Move it away and start again.") from error
