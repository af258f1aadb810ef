"""A service's worker as a process of its own, which may be killed at any moment; and what is told of it afterwards.

Each process is forked from one that has read the service's modules already: a kill costs tenths of a second, not the
seconds in which Python reads them anew. What runs is `python -m <name>_service work`.
"""

import asyncio
import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from importlib import import_module
from multiprocessing.context import ForkServerProcess
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from servicekit.nats import NatsConnection
from servicekit.testing import Environment

Hold = Callable[[asyncpg.Connection], Awaitable[object]]
"""Locks, in the transaction it is given, what the worker will want in the middle of its own."""

_OF_ITS_OWN = ("event_id", "occurred_at", "detected_at", "renewed_at", "valid_until", "until", "expires_at")
"""What differs between two who say the same."""


def _work(service: str, variables: dict[str, str]) -> None:
    os.environ.update(variables)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)
    settings = import_module(f"{service}_service.settings").Settings
    build = import_module(f"{service}_service.app").build
    import_module("servicekit.command").main(settings, build, arguments=["work"])


class WorkerProcess:
    """`python -m <name>_service work` on one database."""

    def __init__(self, service: str, environment: Environment, *, database_url: str, **settings: object) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([f"{service}_service.app", "servicekit.command"])
        self._service = service
        self._variables = {
            f"{service}_{name}".upper(): str(value)
            for name, value in {
                "port": 0,
                "database_url": database_url,
                "nats_url": environment.nats_url,
                "jwks_file": environment.directory / "jwks.json",
                "signing_key_file": environment.directory / f"{service}.pem",
                **settings,
            }.items()
        }
        self.database_url = database_url
        self.process: ForkServerProcess | None = None

    def start(self) -> None:
        """Start it."""
        self.process = self._context.Process(target=_work, args=(self._service, self._variables), daemon=True)
        self.process.start()

    def kill(self) -> None:
        """Kill it without warning."""
        assert self.process is not None
        self.process.kill()
        self.process.join()

    async def killed_in_the_middle(self, hold: Hold, *, or_if: str) -> str | None:
        """Start it, kill it while it waits in the middle of a transaction for what is held, and let go.

        Returns the statement it died in; None: it came to its end (`or_if`, an SQL condition) without waiting.
        """
        holder, watcher = await asyncpg.connect(self.database_url), await asyncpg.connect(self.database_url)
        try:
            await holder.execute("BEGIN")
            await hold(holder)
            self.start()
            return await self._wait_for(watcher, holder.get_server_pid(), or_if)
        finally:
            self.kill()
            await holder.close()  # what was held was never done
            await self._let_go(watcher)
            await watcher.close()

    async def _wait_for(self, watcher: asyncpg.Connection, holder: int, or_if: str) -> str | None:
        async with asyncio.timeout(60):
            while True:
                waits_in: str | None = await watcher.fetchval(
                    "SELECT query FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid)) LIMIT 1", holder
                )
                if waits_in is not None or await watcher.fetchval(f"SELECT {or_if}"):
                    return waits_in
                await asyncio.sleep(0.01)

    async def _let_go(self, watcher: asyncpg.Connection) -> None:
        """Wait until the database has noticed that the process is gone: what comes next would wait for its locks."""
        async with asyncio.timeout(60):
            while await watcher.fetchval(  # noqa: ASYNC110  # of another process
                "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() "
                "AND application_name = $1 AND pid <> pg_backend_pid())",
                self._service,
            ):
                await asyncio.sleep(0.01)

    async def until(self, condition: str) -> None:
        """Wait until an SQL condition holds."""
        watcher = await asyncpg.connect(self.database_url)
        try:
            async with asyncio.timeout(120):
                while not await watcher.fetchval(f"SELECT {condition}"):  # noqa: ASYNC110  # of another process
                    await asyncio.sleep(0.05)
        finally:
            await watcher.close()


class Said:
    """What a service has said on its stream from some moment on."""

    def __init__(self, nats: NatsConnection, stream: str) -> None:
        self._nats = nats
        self._stream = stream
        self._last = 0

    async def since_last(self) -> Counter[str]:
        """How often each fact was said since this was asked last, whatever is each one's own.

        Raises:
            AssertionError: the very same fact stands there twice.
        """
        last = (await self._nats.jetstream.stream_info(self._stream)).state.last_seq
        said, seen = Counter[str](), set[str]()
        for sequence in range(self._last + 1, last + 1):
            message = await self._nats.jetstream.get_msg(self._stream, sequence)
            kind = (message.headers or {}).get("ce-type")
            for fact in json.loads(message.data or b"{}")["facts"]:
                assert fact["event_id"] not in seen, f"said twice: {kind}"
                seen.add(fact["event_id"])
                said[json.dumps([kind, {name: fact[name] for name in sorted(fact) if name not in _OF_ITS_OWN}])] += 1
        self._last = last
        return said


async def copy_of(database_url: str, admin_url: str, name: str) -> str:
    """Copy a database that nobody is connected to; return the copy's address."""
    admin = await asyncpg.connect(admin_url)
    parts = urlsplit(database_url)
    await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{parts.path[1:]}" STRATEGY file_copy')
    await admin.close()
    return parts._replace(path=f"/{name}").geturl()


async def content_of(database_url: str, questions: dict[str, str]) -> dict[str, Any]:
    """The rows that each SQL question is answered with, as sets of texts would be too lenient: sorted."""
    connection: Any = await asyncpg.connect(database_url)
    found: dict[str, Any] = {}
    for name, sql in questions.items():
        found[name] = sorted(repr(tuple(row)) for row in await connection.fetch(sql))
    await connection.close()
    return found
