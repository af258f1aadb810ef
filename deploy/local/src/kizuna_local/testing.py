"""The launcher as tests run it: as the command that people type, with a home and ports of its own."""

import os
import random
import subprocess
import sys
from dataclasses import dataclass

from kizuna_local.addresses import OFFSETS, Addresses, is_free
from kizuna_local.home import Home

COMMAND_SECONDS = 300


@dataclass(frozen=True)
class Launcher:
    """`kizuna` with a home and a port base."""

    home: Home
    addresses: Addresses

    def __call__(self, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command to its end and return what it said."""
        return subprocess.run(
            [sys.executable, "-m", "kizuna_local", *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )

    @property
    def environment(self) -> dict[str, str]:
        """The variables to run anything with that belongs to this platform."""
        return {
            **os.environ,
            "KIZUNA_HOME": str(self.home.root),
            "KIZUNA_PORT_BASE": str(self.addresses.port_base),
            "PYTHONWARNINGS": "ignore",
        }


def free_port_base() -> int:
    """A base below the ports that the system gives to connections, with every offset free."""
    for _ in range(200):
        base = random.randrange(10_000, 30_000, 50)
        if all(is_free(base + offset) for offset in OFFSETS.values()):
            return base
    raise AssertionError("no free ports")
