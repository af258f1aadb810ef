"""Running PostgreSQL when we are root: it refuses to, so it runs as an account without privileges.

The account must reach the checkout and the state directory, and a checkout below /root (mode 0700) is usual. Opening
those directories to everybody would be a lasting change to a machine that is not ours. Where a directory on the way
is closed, the process therefore keeps one capability (CAP_DAC_OVERRIDE: no permission checks on files) and loses
every other; where all are open it keeps none.
"""

import os
import pwd
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from servicekit.embedded.errors import EmbeddedServerError

ACCOUNT_NAMES = ("nobody", "postgres", "daemon")


@dataclass(frozen=True)
class Account:
    """An operating-system account."""

    user_id: int
    group_id: int


def unprivileged_account() -> Account | None:
    """The account to run as, or None when we are an ordinary user and simply stay who we are."""
    if os.geteuid() != 0:
        return None
    for name in ACCOUNT_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(user_id=entry.pw_uid, group_id=entry.pw_gid)
    raise EmbeddedServerError(
        f"PostgreSQL refuses to run as root and none of the accounts {', '.join(ACCOUNT_NAMES)} exists here; "
        "start as an ordinary user"
    )


def command_prefix(account: Account | None, *, paths: Iterable[Path]) -> list[str]:
    """What to put before a command so that it runs as `account` and can reach `paths`."""
    if account is None:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise EmbeddedServerError(
            "PostgreSQL refuses to run as root and `setpriv` (package util-linux) is missing; "
            "install it, or start as an ordinary user"
        )
    capabilities = "-all" if all(_is_open_to_everybody(path) for path in paths) else "-all,+dac_override"
    return [
        setpriv,
        f"--reuid={account.user_id}",
        f"--regid={account.group_id}",
        "--clear-groups",
        "--no-new-privs",
        f"--inh-caps={capabilities}",
        f"--ambient-caps={capabilities}",
        f"--bounding-set={capabilities}",
        "--",
    ]


def _is_open_to_everybody(path: Path) -> bool:
    """Whether everybody may pass through every directory above `path`."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)
