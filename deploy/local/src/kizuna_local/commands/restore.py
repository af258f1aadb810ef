"""Put the data of a backup in place of what a stopped platform has."""

import argparse
from pathlib import Path

from kizuna_local.archive import read_archive
from kizuna_local.errors import LauncherError
from kizuna_local.home import Home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="a file that `kizuna backup` wrote")
    parser.add_argument("--yes", action="store_true", help="replace the data that is here")


def run(arguments: argparse.Namespace) -> int:
    """Restore; existing data is replaced only when that was said."""
    home = Home.from_environment()
    if not arguments.file.exists():
        raise LauncherError(f"There is no file {arguments.file}.")
    home.prepare()
    with home.exclusively():
        if home.postgres.exists() and not arguments.yes:
            raise LauncherError(
                f"{home.root} holds data. Say --yes to replace it, or set KIZUNA_HOME to another directory."
            )
        read_archive(arguments.file, home)
    print(f"Restored {arguments.file} into {home.root}. `kizuna up` starts it.")
    return 0
