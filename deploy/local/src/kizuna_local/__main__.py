"""`kizuna <command>`: reads the command line, runs the command, turns what a person can mend into one sentence."""

import argparse
import importlib
import sys
from collections.abc import Sequence

from kizuna_local.errors import LauncherError
from servicekit.embedded.errors import EmbeddedServerError

COMMANDS = ("up", "down", "status", "logs", "token", "apply", "import", "backup", "restore", "reset")

MODULES = {"import": "import_list"}
"""Where a command's name cannot be a module's."""


def build_parser(names: Sequence[str] = COMMANDS) -> argparse.ArgumentParser:
    """One sub-command per module of kizuna_local.commands; its docstring is the help."""
    parser = argparse.ArgumentParser(
        prog="kizuna",
        description="Kizuna on this machine. State: .kizuna (KIZUNA_HOME); ports: from 8000 (KIZUNA_PORT_BASE).",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    for name in names:
        module = importlib.import_module(f"kizuna_local.commands.{MODULES.get(name, name)}")
        summary = (module.__doc__ or "").strip().splitlines()[0]
        command = commands.add_parser(name, help=summary, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    # Only the command that was asked for is imported: `status` and `token` should answer at once.
    wanted = given[:1] if given and given[0] in COMMANDS else COMMANDS
    parsed = build_parser(wanted).parse_args(given)
    try:
        return int(parsed.run(parsed))
    except (LauncherError, EmbeddedServerError) as error:
        print(f"kizuna: {error}", file=sys.stderr)
    except OSError as error:
        print(f"kizuna: {error.strerror or error}: {error.filename or 'no file named'}.", file=sys.stderr)
    except KeyboardInterrupt:
        print("kizuna: interrupted.", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
