"""`kizuna <command>`: reads the command line, runs the command, turns what a person can mend into one sentence."""

import argparse
import sys
from collections.abc import Sequence

from kizuna_local.commands import apply, backup, down, logs, reset, restore, status, token, up
from kizuna_local.errors import LauncherError
from servicekit.embedded.errors import EmbeddedServerError

COMMANDS = {
    "up": up,
    "down": down,
    "status": status,
    "logs": logs,
    "token": token,
    "apply": apply,
    "backup": backup,
    "restore": restore,
    "reset": reset,
}


def build_parser() -> argparse.ArgumentParser:
    """One sub-command per module of kizuna_local.commands; its docstring is the help."""
    parser = argparse.ArgumentParser(
        prog="kizuna",
        description="Kizuna on this machine. State: .kizuna (KIZUNA_HOME); ports: from 8000 (KIZUNA_PORT_BASE).",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name, module in COMMANDS.items():
        summary = (module.__doc__ or "").strip().splitlines()[0]
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    parsed = build_parser().parse_args(arguments)
    try:
        return int(COMMANDS[parsed.command].run(parsed))
    except (LauncherError, EmbeddedServerError) as error:
        print(f"kizuna: {error}", file=sys.stderr)
    except OSError as error:
        print(f"kizuna: {error.strerror or error}: {error.filename or 'no file named'}.", file=sys.stderr)
    except KeyboardInterrupt:
        print("kizuna: interrupted.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
