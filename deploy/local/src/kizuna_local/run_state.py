"""What runs, written down: for `status` and `down`, and to end what a killed launcher left behind."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import psutil

from kizuna_local.errors import LauncherError
from kizuna_local.home import Home, read_json, write_private
from servicekit.embedded.nats_server import EmbeddedNats
from servicekit.embedded.postgres import EmbeddedPostgres

LEFTOVER_SECONDS = 30.0
REAL_PARTS = ("postgres", "nats")


@dataclass(frozen=True)
class ProcessRecord:
    """A process, told from others of the same number by when it was created (seconds since 1970)."""

    pid: int
    created: float
    restarts: int = 0

    @classmethod
    def of(cls, pid: int, *, restarts: int = 0) -> "ProcessRecord | None":
        """The record of a living process."""
        try:
            return cls(pid=pid, created=psutil.Process(pid).create_time(), restarts=restarts)
        except psutil.NoSuchProcess:
            return None

    def find(self) -> psutil.Process | None:
        """The process itself, None when it has ended."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.created) < 0.01 and process.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return None
        return process if is_same else None


@dataclass(frozen=True)
class RunState:
    """The launcher and its children at one moment."""

    launcher: ProcessRecord | None = None
    port_base: int | None = None
    ready: bool = False
    processes: Mapping[str, ProcessRecord] = field(default_factory=dict)


def write_state(home: Home, state: RunState) -> None:
    """Replace what is written down."""
    write_private(home.state_file, json.dumps(asdict(state), indent=2))


def read_state(home: Home) -> RunState:
    """What was written down last; nothing when it is missing or damaged (it describes processes, not data)."""
    try:
        document = read_json(home.state_file) or {}
        launcher = document.get("launcher")
        return RunState(
            launcher=ProcessRecord(**launcher) if launcher else None,
            port_base=document.get("port_base"),
            ready=bool(document.get("ready")),
            processes={name: ProcessRecord(**record) for name, record in document.get("processes", {}).items()},
        )
    except (LauncherError, TypeError, AttributeError):
        return RunState()


def end_leftovers(home: Home) -> list[str]:
    """End what a killed launcher left running, the real parts last; return the names."""
    found = {name: process for name, record in read_state(home).processes.items() if (process := record.find())}
    ours = [process for name, process in found.items() if name not in REAL_PARTS]
    for process in ours:
        process.terminate()
    _, alive = psutil.wait_procs(ours, timeout=LEFTOVER_SECONDS)
    for process in alive:
        process.kill()
    # These two know their own leftovers, also when nothing was written down.
    EmbeddedNats(home.nats).stop()
    EmbeddedPostgres(home.postgres).stop()
    return list(found)
