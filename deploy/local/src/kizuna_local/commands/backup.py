"""Write all data of a stopped platform, with its keys and secrets, into one file."""

import argparse
from pathlib import Path

from kizuna_local.archive import write_archive
from kizuna_local.home import Home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="the tar file to write")


def run(arguments: argparse.Namespace) -> int:
    """Back up; the lock keeps a launcher from starting meanwhile."""
    home = Home.from_environment()
    home.prepare()
    with home.exclusively():
        write_archive(home, arguments.file.absolute())
    megabytes = arguments.file.stat().st_size / 1_000_000
    print(f"Wrote {arguments.file} ({megabytes:.1f} MB). It holds secrets: keep it private.")
    return 0
