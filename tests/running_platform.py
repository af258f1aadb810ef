"""The whole platform on this machine, for tests and benchmarks: started as a user would start it, on free ports."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from kizuna_local.testing import free_port_base


@dataclass(frozen=True)
class RunningPlatform:
    """A platform started by `kizuna up --detach`; `home` is its KIZUNA_HOME."""

    home: Path
    environment: dict[str, str]
    seconds_to_ready: float

    @property
    def credentials(self) -> dict[str, Any]:
        """credentials.json: addresses, a token, the sources' write keys."""
        content: dict[str, Any] = json.loads((self.home / "credentials.json").read_text())
        return content

    def url(self, service: str) -> str:
        """The address of a service, the gateway or the mailbox."""
        return str(self.credentials[service])

    def client(self, service: str, **arguments: Any) -> httpx.Client:
        """An HTTP client of one service with a token for everything."""
        headers = {"Authorization": f"Bearer {self.credentials['token']}"}
        return httpx.Client(base_url=self.url(service), headers=headers, timeout=20, **arguments)

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        """Ask the gateway; return the whole GraphQL answer (`data` and `errors`)."""
        with self.client("gateway") as client:
            answer: dict[str, Any] = client.post("/graphql", json={"query": query, "variables": variables}).json()
            return answer

    def pids(self) -> dict[str, int]:
        """The processes by name: postgres, nats, mailbox, gateway and the services."""
        state = json.loads((self.home / "run" / "state.json").read_text())
        return {name: record["pid"] for name, record in state["processes"].items()}

    def processes(self) -> list[psutil.Process]:
        """Every process of the platform, PostgreSQL's children and the launcher included."""
        state = json.loads((self.home / "run" / "state.json").read_text())
        roots = [psutil.Process(pid) for pid in {*self.pids().values(), state["launcher"]["pid"]}]
        found = {process.pid: process for root in roots for process in (root, *root.children(recursive=True))}
        return list(found.values())

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `kizuna <arguments>` on this platform."""
        return self.python("-m", "kizuna_local", *arguments)

    def python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run Python with this platform's environment."""
        command = [sys.executable, *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False)


@contextmanager
def running_platform(home: Path, **environment: str) -> Iterator[RunningPlatform]:
    """Start the platform with an empty base of customers; stop it at the end."""
    variables = dict(os.environ) | {"KIZUNA_HOME": str(home), "KIZUNA_PORT_BASE": str(free_port_base())} | environment
    began = time.monotonic()
    started = subprocess.run(
        [sys.executable, "-m", "kizuna_local", "up", "--demo", "none", "--detach"],
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    platform = RunningPlatform(home, variables, time.monotonic() - began)
    try:
        assert started.returncode == 0, f"kizuna up failed:\n{started.stdout}\n{started.stderr}"
        yield platform
    finally:
        stopped = platform.command("down")
        assert stopped.returncode == 0 or started.returncode != 0, stopped.stdout + stopped.stderr


def wait_for(what: str, holds: Callable[[], bool], *, seconds: float = 30) -> None:
    """Wait until a condition holds; fail, naming it, when it does not in time."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


def create_source(platform: RunningPlatform, source_id: str) -> str:
    """Create a source of events; return its write key."""
    body = {
        "name": source_id,
        "department": "crm",
        "brand": "kizuna",
        "legal_entity": "Kizuna K.K.",
        "purposes": ["service", "marketing"],
    }
    with platform.client("identity") as client:
        answer = client.put(f"/v1/sources/{source_id}", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["write_key"])


def send_batch(platform: RunningPlatform, write_key: str, events: list[dict[str, Any]]) -> httpx.Response:
    """Post one batch to the front door, as an SDK would."""
    return httpx.post(platform.url("identity") + "/v1/batch", json={"batch": events}, auth=(write_key, ""), timeout=30)
