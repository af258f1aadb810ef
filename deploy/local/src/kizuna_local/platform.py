"""The whole platform on this machine, built and started in order: real parts, migrations, services."""

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence

import httpx

from kizuna_local import event_log, migrations
from kizuna_local.addresses import HOST, PROCESSES, SERVICES, Addresses
from kizuna_local.environment import process_environment
from kizuna_local.errors import LauncherError
from kizuna_local.health import is_ready
from kizuna_local.home import Home, read_json, write_private
from kizuna_local.keys import ALL_SCOPES, DEPARTMENT, ensure_keys, issue_user_token, jwks_file
from kizuna_local.processes import PythonProcess, last_line, roll_over, run_all_to_the_end
from kizuna_local.real_parts import build_nats, build_postgres
from kizuna_local.run_state import ProcessRecord, RunState, write_state
from kizuna_local.supervisor import Supervisor
from servicekit.clock import SystemClock

MIGRATION_SECONDS = 120.0
READY_SECONDS = 60.0


class Platform:
    """Start with `start()`, then `supervisor.watch()`, and always `stop()`."""

    def __init__(
        self, home: Home, addresses: Addresses, *, services: Sequence[str] = SERVICES, say: Callable[[str], None]
    ) -> None:
        self.home = home
        self.addresses = addresses
        self.services = services
        self._say = say
        self._is_ready = False
        self.supervisor = Supervisor(say=say, on_change=self._write_state)
        self.postgres = build_postgres(home)
        self.nats = build_nats(home, addresses)

    def start(self) -> None:
        """Return when every process is ready. Raises LauncherError or EmbeddedServerError."""
        for name in ("postgres", "nats", "mailbox", *PROCESSES):
            roll_over(self.home.log_file(name))
        ensure_keys(self.home)
        self._timed("PostgreSQL and NATS", self._start_real_parts)
        mailbox = {"mailbox": self._mailbox()}
        self.supervisor.start_together(mailbox)
        if self.services:
            self._timed("Migrations", self._migrate)
            self._timed("Services and gateway", self._start_services)
        self._wait_until_ready(mailbox)
        write_credentials(self.home, self.addresses)

    def declare_ready(self) -> None:
        """Write down that the platform is ready, for whoever waits for it in another process."""
        self._is_ready = True
        self._write_state()

    def stop(self) -> None:
        """Stop everything, the gateway first and the real parts last."""
        self._is_ready = False
        self.supervisor.stop_all()

    def _start_real_parts(self) -> None:
        self.supervisor.start_together({"postgres": self.postgres, "nats": self.nats})
        for service in self.services:
            self.postgres.ensure_role_and_database(service, self.home.secret(f"postgres-{service}"))
        asyncio.run(event_log.prepare(self.nats.url_for(event_log.ADMINISTRATOR)))

    def _migrate(self) -> None:
        services = migrations.outdated(self.home, self.services)
        run_all_to_the_end(
            {f"migration of {service}": self._python_process(service, "migrate") for service in services},
            timeout_seconds=MIGRATION_SECONDS,
        )
        migrations.note(self.home, services)

    def _start_services(self) -> None:
        services = {service: self._python_process(service, "all") for service in self.services}
        gateway = {"gateway": self._python_process("gateway", "serve")}
        # Two groups: when stopping, the gateway stops asking before the services stop answering.
        self.supervisor.start_together(services)
        self.supervisor.start_together(gateway)
        self._wait_until_ready(services | gateway)

    def _wait_until_ready(self, processes: Mapping[str, PythonProcess]) -> None:
        deadline = time.monotonic() + READY_SECONDS
        waiting = dict(processes)
        with httpx.Client(timeout=3) as client:
            while waiting:
                for name, process in list(waiting.items()):
                    if is_ready(client, self.addresses.url(name)):
                        del waiting[name]
                    elif not process.is_running():
                        raise LauncherError(
                            f"{name} {process.ending}: {last_line(process.log_file)} (log: {process.log_file})"
                        )
                if waiting and time.monotonic() > deadline:
                    names = ", ".join(waiting)
                    raise LauncherError(f"Not ready after {READY_SECONDS:.0f} s: {names}. See {self.home.logs}.")
                time.sleep(0.05)

    def _python_process(self, name: str, command: str) -> PythonProcess:
        module = name if name == "gateway" else f"{name}_service"
        environment = process_environment(
            name, self.home, addresses=self.addresses, postgres=self.postgres, nats=self.nats
        )
        return PythonProcess([sys.executable, "-m", module, command], environment, self.home.log_file(name))

    def _mailbox(self) -> PythonProcess:
        environment = {
            "MAILBOX_DIRECTORY": str(self.home.mailbox),
            "MAILBOX_HOST": HOST,
            "MAILBOX_SMTP_PORT": str(self.addresses.port("mailbox-smtp")),
            "MAILBOX_HTTP_PORT": str(self.addresses.port("mailbox")),
            "MAILBOX_JWKS_FILE": str(jwks_file(self.home)),
        }
        command = [sys.executable, "-m", "kizuna_local.mailbox"]
        return PythonProcess(command, environment, self.home.log_file("mailbox"))

    def _timed(self, what: str, work: Callable[[], None]) -> None:
        began = time.monotonic()
        work()
        self._say(f"  {what:<24}{time.monotonic() - began:5.1f} s")

    def _write_state(self) -> None:
        records = {
            name: record
            for name, watched in self.supervisor.watched.items()
            if (pid := watched.child.pid) and (record := ProcessRecord.of(pid, restarts=watched.restarts))
        }
        launcher = ProcessRecord.of(os.getpid())
        state = RunState(launcher, port_base=self.addresses.port_base, ready=self._is_ready, processes=records)
        write_state(self.home, state)


def write_credentials(home: Home, addresses: Addresses) -> None:
    """Write credentials.json: addresses, a token for everything, and the write keys known from before."""
    known = read_json(home.credentials_file) or {}
    clock = SystemClock()
    credentials = {
        **{name: addresses.url(name) for name in (*PROCESSES, "mailbox")},
        "token": issue_user_token(home, clock=clock, scopes=ALL_SCOPES, department=DEPARTMENT),
        "write_keys": known.get("write_keys", {}),
    }
    write_private(home.credentials_file, json.dumps(credentials, indent=2) + "\n")
