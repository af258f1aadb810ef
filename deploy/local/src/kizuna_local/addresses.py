"""Who listens where: every port is an offset of one base, so that two checkouts can run side by side."""

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass

import psutil

from kizuna_local.errors import LauncherError

HOST = "127.0.0.1"
DEFAULT_PORT_BASE = 8000
SERVICES = ("identity", "profile", "campaign", "delivery", "survey")
PROCESSES = ("gateway", *SERVICES)
OFFSETS = {
    **{name: offset for offset, name in enumerate(PROCESSES)},
    "mailbox-smtp": 25,
    "mailbox": 26,
    "nats": 42,
    "nats-monitor": 43,
}


@dataclass(frozen=True)
class Addresses:
    """The addresses of one platform, all on this machine."""

    port_base: int = DEFAULT_PORT_BASE

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Addresses":
        """Read KIZUNA_PORT_BASE. Raises LauncherError."""
        text = environment.get("KIZUNA_PORT_BASE") or str(DEFAULT_PORT_BASE)
        highest = 65535 - max(OFFSETS.values())
        if not text.isdigit() or not 1024 <= int(text) <= highest:
            raise LauncherError(f"KIZUNA_PORT_BASE is {text!r}; set it to a number from 1024 to {highest}.")
        return cls(int(text))

    def port(self, name: str) -> int:
        """The port of one of OFFSETS."""
        return self.port_base + OFFSETS[name]

    def url(self, name: str) -> str:
        """The HTTP address of one of OFFSETS."""
        return f"http://{HOST}:{self.port(name)}"

    def check_all_free(self) -> None:
        """Raise LauncherError naming every port that somebody else listens on."""
        taken = [name for name in OFFSETS if not is_free(self.port(name))]
        if taken:
            ports = ", ".join(f"{self.port(name)} (for {name}{_holder(self.port(name))})" for name in taken)
            raise LauncherError(
                f"In use already: port {ports}. Stop what listens there, or choose others: KIZUNA_PORT_BASE=18000."
            )


def is_free(port: int) -> bool:
    """Whether nobody listens on the port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _holder(port: int) -> str:
    """Who listens on the port, as far as we may know."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return ""
    for connection in connections:
        address = connection.laddr
        if connection.status == psutil.CONN_LISTEN and address and address.port == port and connection.pid:
            try:
                return f", held by process {connection.pid} {psutil.Process(connection.pid).name()}"
            except psutil.Error:
                return ""
    return ""
