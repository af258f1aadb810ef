"""A backup taken from one home and put into another: databases, streams, keys, secrets."""

import asyncio
import stat
from pathlib import Path

import asyncpg
import nats

from kizuna_local.addresses import Addresses
from kizuna_local.home import Home
from kizuna_local.real_parts import build_nats, build_postgres
from kizuna_local.testing import Launcher, free_port_base


async def fetch_value(url: str, statement: str) -> object:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def fill(launcher: Launcher) -> None:
    """A row that profile owns, and a fact in identity's stream."""
    home = launcher.home
    postgres = build_postgres(home)
    url = postgres.ensure_role_and_database("profile", home.secret("postgres-profile"))

    async def publish() -> None:
        client = await nats.connect(build_nats(home, launcher.addresses).url)
        await client.jetstream().publish("identity.events.resolved.v1.0", "絆".encode())
        await client.close()

    asyncio.run(fetch_value(url, "CREATE TABLE customer AS SELECT 7 AS id"))
    asyncio.run(publish())


def test_everything_is_there_again_in_another_home(launcher: Launcher, tmp_path: Path) -> None:
    assert launcher("up", "--parts-only", "--detach").returncode == 0
    fill(launcher)
    launcher("down")
    file = tmp_path / "backup.tar"
    written = launcher("backup", str(file))
    assert written.returncode == 0, written.stderr
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    other = Launcher(Home(tmp_path / "other"), Addresses(free_port_base()))
    restored = other("restore", str(file))
    assert restored.returncode == 0, restored.stderr
    assert other("up", "--parts-only", "--detach").returncode == 0
    try:
        assert (other.home.keys / "kizuna.pem").read_text() == (launcher.home.keys / "kizuna.pem").read_text()
        url = build_postgres(other.home).url("profile", "profile", other.home.secret("postgres-profile"))
        assert asyncio.run(fetch_value(url, "SELECT id FROM customer")) == 7
        owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'customer'"
        assert asyncio.run(fetch_value(url, owner)) == "profile"
        assert asyncio.run(last_fact(other)) == "絆".encode()
    finally:
        other("down")


async def last_fact(launcher: Launcher) -> bytes | None:
    client = await nats.connect(build_nats(launcher.home, launcher.addresses).url)
    message = await client.jetstream().get_last_msg("identity", "identity.events.resolved.v1.0")
    await client.close()
    return message.data


def test_data_is_replaced_only_when_that_is_said(launcher: Launcher, tmp_path: Path) -> None:
    launcher("up", "--parts-only", "--detach")
    launcher("down")
    file = tmp_path / "backup.tar"
    launcher("backup", str(file))
    refused = launcher("restore", str(file))
    assert refused.returncode == 1
    assert "--yes" in refused.stderr
    assert launcher("restore", "--yes", str(file)).returncode == 0


def test_what_is_no_backup_is_said_and_changes_nothing(launcher: Launcher, tmp_path: Path) -> None:
    file = tmp_path / "letter.tar"
    file.write_text("no tar")
    refused = launcher("restore", str(file))
    assert refused.returncode == 1
    assert "is not a backup" in refused.stderr
    assert not launcher.home.postgres.exists()
    assert "nothing to back up" in launcher("backup", str(tmp_path / "b.tar")).stderr
