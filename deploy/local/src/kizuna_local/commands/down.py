"""Stop everything that runs here, also what a killed launcher left."""

import argparse

from kizuna_local.errors import LauncherError
from kizuna_local.home import Home
from kizuna_local.processes import wait_until
from kizuna_local.run_state import RunState, end_leftovers, read_state, write_state

STOP_SECONDS = 120.0


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """There are none."""


def run(_arguments: argparse.Namespace) -> int:
    """Ask the launcher to stop and wait for it; without one, end what is left."""
    home = Home.from_environment()
    print("Stopped." if stop_everything(home) else f"Kizuna does not run in {home.root}.")
    return 0


def stop_everything(home: Home) -> bool:
    """Stop the launcher, or what it left. Returns whether anything ran."""
    if home.is_locked():
        _stop_launcher(home)
        return True
    if not home.state_file.exists():
        return False
    ended = end_leftovers(home)
    write_state(home, RunState())
    return bool(ended)


def _stop_launcher(home: Home) -> None:
    record = read_state(home).launcher
    launcher = record.find() if record is not None else None
    if launcher is None:
        raise LauncherError(f"{home.root} is locked by a launcher that is still starting. Try again in a moment.")
    launcher.terminate()
    wait_until(
        lambda: not home.is_locked(),
        timeout_seconds=STOP_SECONDS,
        otherwise=f"The launcher (process {launcher.pid}) has not stopped after {STOP_SECONDS:.0f} s. See {home.logs}.",
    )
