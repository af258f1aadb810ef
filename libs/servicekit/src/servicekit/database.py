"""The database: one transaction per request or batch, committed at the edge and nowhere else."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from importlib.resources import files
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

import asyncpg
import sqlalchemy.exc
from sqlalchemy import text
from sqlalchemy.engine import URL
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine

AfterCommit = Callable[[], Awaitable[None]]

TRANSIENT_ERRORS: tuple[type[Exception], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    sqlalchemy.exc.InterfaceError,
    sqlalchemy.exc.TimeoutError,
    ConnectionError,
    OSError,
    asyncio.TimeoutError,
)


def is_transient(error: BaseException) -> bool:
    """Tell whether trying the same again later may help (connection trouble, deadlock, shutdown)."""
    if isinstance(error, TRANSIENT_ERRORS):
        return True
    if isinstance(error, sqlalchemy.exc.DBAPIError):
        original = getattr(error.orig, "__cause__", None)
        return error.connection_invalidated or (original is not None and isinstance(original, TRANSIENT_ERRORS))
    return False


def engine_url(database_url: str) -> URL:
    """Translate `postgresql://...` (socket directory as `?host=`) into SQLAlchemy's asyncpg URL."""
    parts = urlsplit(database_url)
    query = dict(parse_qsl(parts.query))
    return URL.create(
        "postgresql+asyncpg",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        host=parts.hostname,
        port=parts.port,
        database=parts.path.lstrip("/"),
        query=query,
    )


class _Connection(asyncpg.Connection):  # type: ignore[misc]  # asyncpg tells its types to nobody
    """Asks what `uuid[]` is once in a process, not in every connection.

    asyncpg knows PostgreSQL's own types but not their arrays; its question costs the server more than most of ours,
    and a connection asks for each kind of array it meets. The numbers of these types are the same on every server.
    """

    async def _introspect_types(self, typeoids: Collection[int], *more: Any) -> tuple[Any, Any]:  # as asyncpg calls it
        wanted = frozenset(typeoids)
        if wanted in _KNOWN_TYPES:
            return _KNOWN_TYPES[wanted], _NOT_ASKED
        found, statement = await super()._introspect_types(typeoids, *more)
        if max(wanted) < _FIRST_TYPE_THAT_DIFFERS:
            _KNOWN_TYPES[wanted] = found
        return found, statement


_KNOWN_TYPES: dict[frozenset[int], Any] = {}  # asyncpg's records
_NOT_ASKED = SimpleNamespace(name="not asked")  # a statement with a name: the one in preparation is still prepared
_FIRST_TYPE_THAT_DIFFERS = 10_000  # PostgreSQL's FirstGenbkiObjectId: smaller ones are given by hand, for good


class Database:
    """A pool of connections to the service's own PostgreSQL database."""

    def __init__(self, url: str, *, pool_size: int = 8, application_name: str = "kizuna") -> None:
        self.url = url
        self.engine: AsyncEngine = create_async_engine(
            engine_url(url),
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=False,
            connect_args={
                "timeout": 5,
                "server_settings": {"application_name": application_name, "jit": "off"},
                "connection_class": _Connection,
            },
        )

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncSession]:
        """Give a session; commit when the block ends, roll back when it raises; then run what waits for the commit."""
        async with AsyncSession(self.engine, expire_on_commit=False, autoflush=False) as session:
            try:
                yield session
                await session.commit()
            except BaseException:
                await session.rollback()
                raise
        for action in session.info.pop("after_commit", []):
            await action()

    async def connect(self) -> asyncpg.Connection:
        """Open a connection outside the pool, for locks held long and for LISTEN."""
        return await asyncpg.connect(
            self.url,
            timeout=5,
            server_settings={"application_name": "kizuna-lease", "jit": "off"},
            connection_class=_Connection,
        )

    async def ping(self) -> None:
        """Raise unless the database answers."""
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))

    async def close(self) -> None:
        """Close every connection."""
        await self.engine.dispose()


def after_commit(session: AsyncSession, action: AfterCommit) -> None:
    """Run `action` once this session's transaction is committed; never when it is rolled back."""
    session.info.setdefault("after_commit", []).append(action)


def wake_after_commit(session: AsyncSession, wake: Callable[[], None]) -> None:
    """Let a worker look at once when this session's transaction is committed: `wake` is its own."""

    async def call() -> None:
        wake()

    after_commit(session, call)


async def raw(session: AsyncSession) -> asyncpg.Connection:
    """Return the session's own asyncpg connection, inside its transaction, for COPY, unnest and hot statements.

    `jsonb` values go in as JSON text and come out decoded.
    """
    connection = session.info.get("raw")
    if connection is not None and not connection.is_closed() and connection.is_in_transaction():
        return cast(asyncpg.Connection, connection)
    await session.flush()
    await session.execute(text("SELECT 1"))  # SQLAlchemy's driver begins the transaction with its first statement
    pooled = await (await session.connection()).get_raw_connection()
    session.info["raw"] = pooled.driver_connection
    return cast(asyncpg.Connection, pooled.driver_connection)


def load_sql(package: str, name: str) -> str:
    """Return the text of `sql/<name>.sql` of a package."""
    return files(package).joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def json_text(value: Any) -> str:  # any JSON value
    """Encode a value for a raw `jsonb` parameter."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
