"""Tests on the real PostgreSQL and NATS: a pytest plugin (`-p servicekit.testing`), a running service in one block."""

import asyncio
import json
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi import FastAPI
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from servicekit.auth import sign_token
from servicekit.clock import Clock, SystemClock
from servicekit.command import migrations_directory
from servicekit.database import TRANSIENT_ERRORS, Database
from servicekit.embedded.nats_server import EmbeddedNats
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.migrations import migrate
from servicekit.nats import Envelope, NatsConnection
from servicekit.outbox import Fact, Notice, pack, place_of
from servicekit.service import Build, Service, create_app
from servicekit.settings import ServiceSettings
from servicekit.topology import provision
from servicekit.workers import run_all

USER_ISSUER = "kizuna"
MEMORY = Path("/dev/shm")  # noqa: S108  # directories in it have random names of their own
MEMORY_FREE_BYTES = 2 * 2**30


@pytest.fixture(scope="session")
def parts_directory() -> Iterator[Path]:
    """A short directory (sockets!) for the session's PostgreSQL and NATS, in memory where there is room.

    A database is some 400 files. Tests make and drop thousands of databases, and a busy disk takes a second over each.
    """
    has_room = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_FREE_BYTES
    directory = Path(tempfile.mkdtemp(prefix="kizuna-", dir=MEMORY if has_room else None))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(parts_directory: Path) -> Iterator[EmbeddedPostgres]:
    """One real PostgreSQL for the session, without fsync."""
    with EmbeddedPostgres(parts_directory / "postgres", durable=False) as server:
        yield server


@pytest.fixture(scope="session")
def nats_server(parts_directory: Path) -> Iterator[EmbeddedNats]:
    """One real NATS with JetStream for the session, without fsync."""
    with EmbeddedNats(parts_directory / "nats", durable=False) as server:
        yield server


@dataclass
class Environment:
    """Real parts for services under test: keys, a NATS address with fresh streams, databases on demand."""

    postgres: EmbeddedPostgres
    nats_url: str
    directory: Path
    topology: ModuleType
    user_key: Ed25519PrivateKey

    def token(self, *scopes: str, clock: Clock, department: str | None = None, brands: tuple[str, ...] = ()) -> str:
        """Sign a user's token valid for an hour by `clock`."""
        return sign_token(
            self.user_key,
            issuer=USER_ISSUER,
            subject="tester",
            scopes=scopes,
            issued_at=clock.now().timestamp(),
            lifetime_seconds=3600,
            department=department,
            brands=brands,
        )


@pytest.fixture
async def environment(
    postgres: EmbeddedPostgres, nats_server: EmbeddedNats, topology: ModuleType, tmp_path: Path
) -> Environment:
    """Fresh streams and keys on the session's PostgreSQL and NATS; each test has them for itself.

    The fixture `topology` (a module with STREAMS, CONSUMERS, WRITE_KEYS_BUCKET) is the repository's: the chassis
    imports no contracts.
    """
    await _delete_streams(nats_server.url)
    await provision(nats_server.url, topology.STREAMS, topology.CONSUMERS, buckets=[topology.WRITE_KEYS_BUCKET])
    environment = Environment(postgres, nats_server.url, tmp_path, topology, Ed25519PrivateKey.generate())
    _write_keys(environment, ("identity", "profile", "campaign", "delivery", "survey"))
    return environment


async def _delete_streams(url: str) -> None:
    connection = NatsConnection(url, name="test")
    await connection.start()
    await connection.connected()
    try:
        for info in await connection.jetstream.streams_info():
            with suppress(NotFoundError):
                await connection.jetstream.delete_stream(str(info.config.name))
    finally:
        await connection.close()


def _write_keys(environment: Environment, services: Sequence[str]) -> None:
    keys = {USER_ISSUER: environment.user_key} | {f"service:{name}": Ed25519PrivateKey.generate() for name in services}
    algorithm = jwt.algorithms.OKPAlgorithm()
    public = [
        {**json.loads(algorithm.to_jwk(key.public_key())), "kid": issuer, "use": "sig", "alg": "EdDSA"}
        for issuer, key in keys.items()
    ]
    (environment.directory / "jwks.json").write_text(json.dumps({"keys": public}))
    (environment.directory / "secret").write_text("test secret, not used anywhere else")
    for name in services:
        private = keys[f"service:{name}"].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (environment.directory / f"{name}.pem").write_bytes(private)


@dataclass
class RunningService:
    """A service under test: served over ASGI, its workers running, on its own migrated database."""

    service: Service
    app: FastAPI
    client: httpx.AsyncClient
    environment: Environment
    _connection: asyncpg.Connection | None = None
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def database(self) -> Database:
        """The service's database."""
        assert self.service.database is not None
        return self.service.database

    @property
    def nats(self) -> NatsConnection:
        """The service's NATS connection."""
        assert self.service.nats is not None
        return self.service.nats

    @property
    def clock(self) -> Any:  # a FrozenClock where the test passed one
        """The service's clock."""
        return self.service.clock

    def token(self, *scopes: str, department: str | None = None, brands: tuple[str, ...] = ()) -> str:
        """Sign a user's token for this service's clock."""
        return self.environment.token(*scopes, clock=self.clock, department=department, brands=brands)

    def headers(self, *scopes: str) -> dict[str, str]:
        """Authorization header with these scopes (default: read and write of this service)."""
        scopes = scopes or (f"{self.service.name}:read", f"{self.service.name}:write")
        return {"Authorization": f"Bearer {self.token(*scopes)}"}

    async def publish(
        self, facts: Sequence[Fact | Notice], *, partitions: int = 16, traceparent: str | None = None
    ) -> None:
        """Publish facts as their owner would, each type and partition as one message (of that trace)."""
        groups: dict[tuple[str, int], list[Fact | Notice]] = {}
        for fact in facts:
            groups.setdefault((fact.fact_type, place_of(fact, partitions)), []).append(fact)
        for (fact_type, partition), group in groups.items():
            for body in pack(fact.model_dump_json() for fact in group):
                envelope = Envelope(
                    subject=f"{fact_type}.{partition}",
                    body=body.encode(),
                    id=str(uuid4()),
                    source="/test",
                    type=fact_type,
                    time=group[-1].occurred_at,
                    traceparent=traceparent,
                )
                await self.nats.publish_all([envelope])

    async def published(self, kind: type[Any]) -> list[Any]:
        """Return all facts of a type on its stream, in order."""
        messages = await self._messages(kind)
        return [
            kind.model_validate(item) for message in messages for item in json.loads(message.data or b"{}")["facts"]
        ]

    async def traceparents(self, kind: type[Any]) -> list[str | None]:
        """Return the traces of the messages with facts of a type, in order."""
        return [(message.headers or {}).get("traceparent") for message in await self._messages(kind)]

    async def _messages(self, kind: type[Any]) -> list[RawStreamMsg]:
        await self.drain()
        stream = kind.fact_type.split(".", 1)[0]
        jetstream = self.nats.jetstream
        last = (await jetstream.stream_info(stream)).state.last_seq
        messages = [await jetstream.get_msg(stream, sequence) for sequence in range(1, last + 1)]
        return [message for message in messages if (message.headers or {}).get("ce-type") == kind.fact_type]

    async def drain(self, seconds: float = 90) -> None:
        """Wait until this service's outbox is empty and its consumers have nothing left, twice in a row.

        This takes longer than the 0.05 s after which workers of a service under test look at a clock that was moved.
        """
        async with asyncio.timeout(seconds):
            quiet = 0
            while quiet < 2:
                quiet = quiet + 1 if await self._is_idle() else 0
                await asyncio.sleep(0.04)

    async def fetchval(self, sql: str, *arguments: object) -> Any:  # whatever the statement gives
        """Ask the database one thing, over a connection kept for this: tests ask hundreds of times."""
        async with self._asking:
            try:
                return await (await self._kept_connection()).fetchval(sql, *arguments)
            except TRANSIENT_ERRORS:  # a test may have cut it on purpose
                self.close()
                return await (await self._kept_connection()).fetchval(sql, *arguments)

    async def _kept_connection(self) -> asyncpg.Connection:
        if self._connection is None:
            self._connection = await self.database.connect()
        return self._connection

    def close(self) -> None:
        """Close the connection kept for questions."""
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _is_idle(self) -> bool:
        if self.service.database is not None and await self.fetchval(
            "SELECT EXISTS (SELECT FROM outbox) OR EXISTS (SELECT FROM anchors WHERE pending > 0) "
            "OR EXISTS (SELECT FROM moving_customers) "
            "OR EXISTS (SELECT FROM erasure_work WHERE finished_at IS NULL)"
        ):
            return False
        for consumer in self.environment.topology.CONSUMERS:
            if consumer.service == self.service.name:
                info = await self.nats.jetstream.consumer_info(consumer.stream, consumer.service)
                if info.num_pending or info.num_ack_pending:
                    return False
        return True


async def tables_that_mention(connection: asyncpg.Connection, words: Sequence[str]) -> dict[str, int]:
    """Return how many rows of which tables hold one of the words, in any column, as text, JSON or bytes."""
    patterns = [f"%{form}%" for word in words for form in (word, json.dumps(word)[1:-1], word.encode().hex())]
    found: dict[str, int] = {}
    for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"):
        table = row["tablename"]
        count = f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE ANY($1)'  # noqa: S608  # as the catalogue names it
        rows = await connection.fetchval(count, patterns)
        if rows:
            found[table] = rows
    return found


async def create_database(postgres: EmbeddedPostgres, build: Build) -> str:
    """Create a fresh database with the service's schema, as a copy of a template migrated once; return its address."""
    migrations = migrations_directory(build)
    stamp = max(int(path.stat().st_mtime_ns) for path in migrations.rglob("*.py"))
    template = f"template_{build.__module__.split('.')[0]}_{stamp}"
    admin = await asyncpg.connect(postgres.url())
    try:
        if not await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", template):
            await admin.execute(f'CREATE DATABASE "{template}"')
            await asyncio.to_thread(migrate, postgres.url(template), migrations)
        name = f"test_{uuid4().hex[:12]}"
        # Copying its files takes a fifth of the work of writing each block to the log, too.
        await admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
    finally:
        await admin.close()
    return postgres.url(name)


def _share_routes(app: FastAPI) -> None:
    """Let all apps of this process share what FastAPI works out of each route: half of what starting a service takes.

    It is worked out for each inclusion of a router, at the first request, and nothing of it depends on the service.
    """
    for place, route in enumerate(app.router.routes):
        router = getattr(route, "original_router", None)  # a router that was included
        if router is not None:
            app.router.routes[place] = vars(router).setdefault("first_inclusion", route)


@asynccontextmanager
async def running(
    build: Build,
    settings_class: type[ServiceSettings],
    environment: Environment,
    *,
    clock: Clock | None = None,
    workers: bool = True,
    database_url: str | None = None,
    **settings: Any,  # further settings of the service, by field name
) -> AsyncIterator[RunningService]:
    """Run a service on its own fresh, migrated database (or on `database_url`), served in this process over ASGI."""
    name = settings_class.service
    fields: dict[str, Any] = {
        "port": 1,
        "nats_url": environment.nats_url,
        "jwks_file": environment.directory / "jwks.json",
        "signing_key_file": environment.directory / f"{name}.pem",
        "public_url": f"http://{name}.test",
    }
    if "secret_file" in settings_class.model_fields:
        fields["secret_file"] = environment.directory / "secret"
    has_database = (migrations_directory(build) / "env.py").exists()
    if has_database:
        fields["database_url"] = database_url or await create_database(environment.postgres, build)
    service = build(settings_class(**(fields | settings)), clock=clock or SystemClock())
    app = create_app(service)
    _share_routes(app)
    stop = asyncio.Event()
    await service.start()
    if service.nats is not None:
        await service.nats.connected()
    working = asyncio.create_task(run_all(service.workers if workers else [], stop))
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{name}.test") as client:
            running_service = RunningService(service, app, client, environment)
            try:
                yield running_service
            finally:
                running_service.close()
    finally:
        stop.set()
        with suppress(TimeoutError):
            await asyncio.wait_for(working, 15)
        await service.close()
        if has_database and database_url is None and not os.environ.get("KIZUNA_KEEP_DATABASES"):
            admin = await asyncpg.connect(environment.postgres.url())
            await admin.execute(f'DROP DATABASE "{fields["database_url"].split("/")[-1].split("?")[0]}" WITH (FORCE)')
            await admin.close()
