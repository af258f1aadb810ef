"""Stop everything and delete all its data: events, customers, messages, keys, secrets."""

import argparse
import shutil

from kizuna_local.commands.down import stop_everything
from kizuna_local.errors import LauncherError
from kizuna_local.home import Home


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(arguments: argparse.Namespace) -> int:
    """Delete the home directory, provided that it is one."""
    home = Home.from_environment()
    if not home.root.exists():
        print(f"There is nothing in {home.root}.")
        return 0
    if not home.state_file.parent.exists():
        raise LauncherError(f"{home.root} is not a directory of Kizuna's. Check KIZUNA_HOME.")
    if not arguments.yes and input(f"Delete everything in {home.root}? Type yes: ") != "yes":
        print("Nothing was deleted.")
        return 1
    stop_everything(home)
    shutil.rmtree(home.root)
    print(f"Deleted {home.root}.")
    return 0
