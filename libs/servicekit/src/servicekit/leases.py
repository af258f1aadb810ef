"""A lease: at most one process does a thing, held as long as its connection lives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from zlib import crc32

import asyncpg

from servicekit.database import TRANSIENT_ERRORS, Database
from servicekit.workers import pause

_NAMESPACE = 0x4B697A75  # "Kizu": keeps these advisory locks apart from others' in the database


@asynccontextmanager
async def lease(database: Database, name: str, stop: asyncio.Event) -> AsyncIterator[asyncpg.Connection | None]:
    """Wait for the named lease and give the connection that holds it (None when told to stop first).

    The lease ends with the connection: a holder that works through another connection checks `is_closed()` first.
    """
    connection = await database.connect()
    try:
        while not stop.is_set():
            if await connection.fetchval(
                "SELECT pg_try_advisory_lock($1, $2)", _NAMESPACE, crc32(name.encode()) - 2**31
            ):
                yield connection
                return
            await pause(stop, 0.5)
        yield None
    finally:
        with suppress(*TRANSIENT_ERRORS, TimeoutError):
            await connection.close(timeout=2)
