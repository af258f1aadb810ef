"""The whole state in one tar file: a dump per database, the streams, and the keys and secrets that open them.

Everything is of one moment, because it is taken while nothing runs. The file holds secrets: only its owner may read it.
"""

import json
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path, PurePosixPath

from kizuna_local.addresses import SERVICES
from kizuna_local.errors import LauncherError
from kizuna_local.home import Home
from kizuna_local.real_parts import build_postgres
from servicekit.embedded.postgres import EmbeddedPostgres, binary

FORMAT = 1
MANIFEST = "manifest.json"
COPIED = ("keys", "secrets", "nats/store", "mailbox", "credentials.json", "story.json")


def write_archive(home: Home, file: Path) -> None:
    """Write the state of a stopped platform. Raises LauncherError."""
    if not home.postgres.exists():
        raise LauncherError(f"There is nothing to back up in {home.root}. `kizuna up` makes a platform.")
    unfinished = file.with_name(f".{file.name}.unfinished")
    unfinished.touch(mode=0o600)
    with (
        tempfile.TemporaryDirectory(dir=home.root, prefix="backup-") as directory,
        tarfile.open(unfinished, "w") as archive,
    ):
        dumps = _dump_databases(build_postgres(home), Path(directory))
        manifest = Path(directory) / MANIFEST
        manifest.write_text(json.dumps({"format": FORMAT, "databases": sorted(dumps)}))
        archive.add(manifest, MANIFEST)
        for name, dump in dumps.items():
            archive.add(dump, f"databases/{name}.dump")
        for name in COPIED:
            if (home.root / name).exists():
                archive.add(home.root / name, name)
    unfinished.replace(file)


def read_archive(file: Path, home: Home) -> None:
    """Put the state of an archive into an empty home. Raises LauncherError; then nothing is left half done."""
    with tempfile.TemporaryDirectory(dir=home.root, prefix="restore-") as directory:
        unpacked = Path(directory)
        databases = _unpack(file, unpacked)
        for name in COPIED:
            if (unpacked / name).exists():
                _replace(unpacked / name, home.root / name)
        try:
            _restore_databases(home, unpacked, databases)
        except BaseException:
            shutil.rmtree(home.postgres, ignore_errors=True)
            raise


def _dump_databases(postgres: EmbeddedPostgres, directory: Path) -> dict[str, Path]:
    with postgres:
        there_are = postgres.run_psql("SELECT datname FROM pg_database").split()
        databases = [service for service in SERVICES if service in there_are]
        dumps = {name: directory / f"{name}.dump" for name in databases}
        for name, dump in dumps.items():
            _run(postgres, ["pg_dump", "--format=custom", f"--file={dump}"], database=name)
    return dumps


def _restore_databases(home: Home, unpacked: Path, databases: list[str]) -> None:
    shutil.rmtree(home.postgres, ignore_errors=True)
    with build_postgres(home) as postgres:
        for name in databases:
            postgres.ensure_role_and_database(name, home.secret(f"postgres-{name}"))
            dump = str(unpacked / "databases" / f"{name}.dump")
            _run(postgres, ["pg_restore", "--exit-on-error", f"--dbname={name}", dump], database=name)


def _run(postgres: EmbeddedPostgres, command: list[str], *, database: str) -> None:
    environment = {**os.environ, **postgres.connection_environment(database)}
    finished = subprocess.run(
        [str(binary(command[0])), *command[1:]], env=environment, capture_output=True, text=True, check=False
    )
    if finished.returncode != 0:
        raise LauncherError(f"{command[0]} failed for {database}: {' '.join(finished.stderr.split())}")


def _check_member(member: tarfile.TarInfo) -> None:
    """Raise ValueError unless the member is a plain file or directory below where it is unpacked."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts or not (member.isfile() or member.isdir()):
        raise ValueError(f"{member.name} does not belong there")


def _unpack(file: Path, directory: Path) -> list[str]:
    """Unpack everything, nothing outside the directory; return the names of the databases."""
    try:
        with tarfile.open(file) as archive:
            members = archive.getmembers()
            for member in members:
                _check_member(member)
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # it came with Python 3.11.4
            for member in members:
                archive.extract(member, directory)
        manifest = json.loads((directory / MANIFEST).read_text())
        form, databases = manifest["format"], [str(name) for name in manifest["databases"]]
    except (tarfile.TarError, FileNotFoundError, KeyError, ValueError) as error:
        raise LauncherError(f"{file} is not a backup of Kizuna's ({error}).") from error
    if form != FORMAT:
        raise LauncherError(f"{file} has format {form}; this version reads {FORMAT}. Restore it with its own version.")
    return databases


def _replace(source: Path, target: Path) -> None:
    if target.is_dir():
        shutil.rmtree(target)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source.replace(target)
