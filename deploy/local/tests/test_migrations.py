"""The note of which databases are at the installed version."""

from pathlib import Path

import pytest

from kizuna_local import migrations
from kizuna_local.home import Home


@pytest.fixture
def versions(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An importable service `florist` with one migration."""
    home.prepare()
    home.postgres.mkdir()
    package = tmp_path / "path" / "florist_service"
    versions = package / "migrations" / "versions"
    versions.mkdir(parents=True)
    (package / "__init__.py").touch()
    (versions / "0001_first.py").write_text("revision = 1")
    monkeypatch.syspath_prepend(package.parent)
    return versions


def test_a_migrated_service_is_asked_again_only_when_its_migrations_change(home: Home, versions: Path) -> None:
    assert migrations.outdated(home, ["florist"]) == ["florist"]
    migrations.note(home, ["florist"])
    assert migrations.outdated(home, ["florist"]) == []
    (versions / "0002_second.sql").write_text("CREATE TABLE a (b int)")
    assert migrations.outdated(home, ["florist"]) == ["florist"]


def test_a_new_cluster_has_nothing_noted(home: Home, versions: Path) -> None:
    migrations.note(home, ["florist"])
    (home.postgres / "migrated.json").unlink()
    assert migrations.outdated(home, ["florist"]) == ["florist"]
