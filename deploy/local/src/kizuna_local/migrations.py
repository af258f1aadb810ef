"""Which services' databases are at the version that is installed, so that a second start need not ask each of them.

Only a shortcut: every service is ready only when its database has all of its migrations, whatever is noted here.
"""

import hashlib
import importlib.util
import json
from collections.abc import Iterable
from pathlib import Path

from kizuna_local.home import Home, read_json, write_private


def outdated(home: Home, services: Iterable[str]) -> list[str]:
    """The services whose migrations are not those noted last."""
    noted = _noted(home)
    return [service for service in services if noted.get(service) != _digest(service)]


def note(home: Home, services: Iterable[str]) -> None:
    """Note that these services' databases have all migrations that are installed."""
    noted = {**_noted(home), **{service: _digest(service) for service in services}}
    write_private(_file(home), json.dumps(noted, indent=2))


def _file(home: Home) -> Path:
    """Beside the data it speaks of: whoever replaces the cluster removes the note with it."""
    return home.postgres / "migrated.json"


def _noted(home: Home) -> dict[str, str]:
    noted = read_json(_file(home))
    return noted if isinstance(noted, dict) else {}


def _digest(service: str) -> str:
    digest = hashlib.sha256()
    for file in _migration_files(service):
        digest.update(file.name.encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _migration_files(service: str) -> list[Path]:
    """Inside the package (a wheel) or beside its `src` (a checkout), as servicekit.command finds them."""
    spec = importlib.util.find_spec(f"{service}_service")
    if spec is None or spec.origin is None:
        return []
    package = Path(spec.origin).parent
    inside = package / "migrations"
    directory = inside if inside.is_dir() else package.parents[1] / "migrations"
    return sorted(file for file in directory.rglob("*") if file.suffix in {".py", ".sql"})
