"""Print a token (JWT) with the scopes, department, brands, legal entity and purposes that are asked for."""

import argparse
from datetime import timedelta

from kizuna_local.errors import LauncherError
from kizuna_local.home import Home
from kizuna_local.keys import ALL_SCOPES, DEPARTMENT, issue_user_token
from servicekit.clock import SystemClock


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--scopes", default="all", help=f"separated by commas, of {', '.join(ALL_SCOPES)}; or `all` (the default)"
    )
    parser.add_argument("--department", default=DEPARTMENT, help=f"the department the token speaks for ({DEPARTMENT})")
    parser.add_argument("--brands", default="", help="the brands it is limited to, separated by commas; none: no limit")
    parser.add_argument("--legal-entity", help="the legal entity it speaks for; none: not said")
    parser.add_argument("--purposes", default="", help="the only purposes that may be stated with it; none: any")
    parser.add_argument("--hours", type=float, default=12.0, help="how long it is valid (12)")


def run(arguments: argparse.Namespace) -> int:
    """Print the token alone on a line."""
    scopes = ALL_SCOPES if arguments.scopes == "all" else tuple(_parts(arguments.scopes))
    unknown = set(scopes) - set(ALL_SCOPES)
    if unknown or not scopes:
        raise LauncherError(
            f"Unknown scope: {', '.join(sorted(unknown)) or 'none given'}. There are: {', '.join(ALL_SCOPES)}."
        )
    token = issue_user_token(
        Home.from_environment(),
        clock=SystemClock(),
        scopes=scopes,
        department=arguments.department,
        brands=_parts(arguments.brands),
        legal_entity=arguments.legal_entity,
        purposes=_parts(arguments.purposes),
        lifetime=timedelta(hours=arguments.hours),
    )
    print(token)
    return 0


def _parts(text: str) -> list[str]:
    return [part for part in text.replace(",", " ").split() if part]
