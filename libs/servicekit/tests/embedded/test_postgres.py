"""The embedded PostgreSQL, on the real binaries, as whichever user runs the tests (root included)."""

import asyncio
import os
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from servicekit.embedded.errors import EmbeddedServerError
from servicekit.embedded.postgres import EmbeddedPostgres, binary


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    with EmbeddedPostgres(tmp_path / "postgres", durable=False) as server:
        yield server


def fetch_value(url: str, statement: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def test_a_role_owns_its_database_and_enters_no_other(postgres: EmbeddedPostgres) -> None:
    profile_url = postgres.ensure_role_and_database("profile", "it's a \\ secret: %40@/")
    postgres.ensure_role_and_database("survey")
    fetch_value(profile_url, "CREATE TABLE customer (id bigint)")
    assert fetch_value(profile_url, "SELECT current_user || '/' || current_database()") == "profile/profile"
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        fetch_value(profile_url.replace("@/profile?", "@/survey?"), "SELECT 1")


def test_making_a_role_again_keeps_its_data_and_sets_the_password(postgres: EmbeddedPostgres) -> None:
    first_url = postgres.ensure_role_and_database("profile", "first")
    fetch_value(first_url, "CREATE TABLE customer AS SELECT 7 AS id")
    second_url = postgres.ensure_role_and_database("profile", "second")
    assert fetch_value(second_url, "SELECT id FROM customer") == 7
    with pytest.raises(asyncpg.InvalidPasswordError):
        fetch_value(first_url, "SELECT 1")


def test_what_was_committed_survives_a_killed_server(tmp_path: Path) -> None:
    with EmbeddedPostgres(tmp_path / "postgres") as postgres:
        url = postgres.ensure_role_and_database("profile")
        fetch_value(url, "CREATE TABLE customer AS SELECT 7 AS id")
        killed = postgres.pid
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        postgres.start()
        assert postgres.pid not in (None, killed)
        assert fetch_value(url, "SELECT id FROM customer") == 7


def test_a_server_left_by_a_killed_launcher_is_replaced(postgres: EmbeddedPostgres) -> None:
    left_over = postgres.pid
    with EmbeddedPostgres(postgres.directory, durable=False) as newcomer:
        assert newcomer.pid not in (None, left_over)
        assert fetch_value(newcomer.url(), "SELECT 1") == 1


def test_a_stale_process_number_that_belongs_to_somebody_else_is_no_obstacle(tmp_path: Path) -> None:
    postgres = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    postgres.start()
    lock_file = postgres.data_directory / "postmaster.pid"
    lines = lock_file.read_text().splitlines()
    postgres.stop()
    lock_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    with postgres:
        assert fetch_value(postgres.url(), "SELECT 1") == 1


def test_a_directory_too_deep_for_a_socket_and_closed_to_others(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with EmbeddedPostgres(closed / ("deep" * 30) / "postgres", durable=False) as postgres:
        assert postgres.socket_directory.parent == Path(tempfile.gettempdir())
        assert fetch_value(postgres.url(), "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    postgres.socket_directory.rmdir()


def test_an_interrupted_first_start_is_begun_again(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres" / "data.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with EmbeddedPostgres(tmp_path / "postgres", durable=False) as postgres:
        assert fetch_value(postgres.url(), "SELECT 1") == 1


def test_files_in_place_of_a_cluster_are_left_alone_and_named(tmp_path: Path) -> None:
    strange = tmp_path / "postgres" / "data" / "letter.txt"
    strange.parent.mkdir(parents=True)
    strange.write_text("keep me")
    with pytest.raises(EmbeddedServerError, match="move it away"):
        EmbeddedPostgres(tmp_path / "postgres").start()
    assert strange.read_text() == "keep me"


def test_tests_give_up_durability_and_the_platform_does_not(tmp_path: Path) -> None:
    settings = "SELECT string_agg(setting, ' ' ORDER BY name) FROM pg_settings WHERE name IN ('fsync', 'jit')"
    for durable, expected in ((True, "on off"), (False, "off off")):
        with EmbeddedPostgres(tmp_path / f"durable-{durable}", durable=durable) as postgres:
            assert fetch_value(postgres.url(), settings) == expected


def test_failing_statements_leave_no_values_in_the_log(postgres: EmbeddedPostgres) -> None:
    fetch_value(postgres.url(), "CREATE TABLE customer AS SELECT 'canary@example.jp' AS mail")
    fetch_value(postgres.url(), "CREATE UNIQUE INDEX ON customer (mail)")
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        fetch_value(postgres.url(), "INSERT INTO customer VALUES ('canary@example.jp')")
    assert "canary" in str(refused.value.as_dict())
    with pytest.raises(asyncpg.DataError):
        fetch_value(postgres.url(), "SELECT 'canary'::integer")
    postgres.stop()
    log = postgres.log_file.read_text()
    assert "shut down" in log and "canary" not in log


def test_the_wheels_programs_connect_as_administrator(postgres: EmbeddedPostgres) -> None:
    postgres.ensure_role_and_database("profile")
    environment = {**os.environ, **postgres.connection_environment("profile")}
    dumped = subprocess.run([binary("pg_dump"), "--schema-only"], env=environment, capture_output=True, check=True)
    assert b"PostgreSQL database dump complete" in dumped.stdout


def test_an_administrators_script_that_fails_is_an_error(postgres: EmbeddedPostgres) -> None:
    assert postgres.run_psql("SELECT :'word'", variables={"word": "絆"}) == "絆\n"
    with pytest.raises(EmbeddedServerError, match="syntax error"):
        postgres.run_psql("SELEC 1;\nSELECT 2;")
