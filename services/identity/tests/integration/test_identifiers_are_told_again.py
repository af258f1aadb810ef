"""After an upgrade the identifiers that there are already are told once more: a stretch at a time, and then never."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
from services.identity.tests.integration.conftest import Sender
from services.identity.tests.integration.test_for_whom_identifiers_are import make_source

from contracts.identity import IdentifierLinked
from identity_service.service.retelling import IdentifierTeller
from servicekit.database import raw
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.migrations import migrate
from servicekit.testing import RunningService

MIGRATIONS = Path(__file__).parents[2] / "migrations"
PLACES = "SELECT name, after FROM retellings"
AS_THE_MIGRATION_LEAVES_IT = "INSERT INTO retellings (name, after) VALUES ('identifiers', $1)"
OF_THE_TIME_BEFORE = """
INSERT INTO identifiers (anchor_id, namespace, value, customer_id, version, source_id, event_id, rule, linked_at)
VALUES ($1, 'line', 'U1', $1, 1, 'shop', $1, 'first_seen', '2026-01-01Z')
"""
NIL = UUID(int=0)


def said(fact: IdentifierLinked) -> dict[str, Any]:
    """What a fact says, but for its own id."""
    return fact.model_dump(exclude={"event_id"})


async def create_empty_database(postgres: EmbeddedPostgres) -> str:
    """Create a database without a schema; return its address."""
    name = f"test_{uuid4().hex[:12]}"
    connection = await asyncpg.connect(postgres.url())
    try:
        await connection.execute(f'CREATE DATABASE "{name}"')
    finally:
        await connection.close()
    return postgres.url(name)


async def test_the_migration_asks_for_it_where_there_are_identifiers(postgres: EmbeddedPostgres) -> None:
    found = []
    for is_old in (False, True):
        url = await create_empty_database(postgres)
        await asyncio.to_thread(migrate, url, MIGRATIONS, "0011")
        connection = await asyncpg.connect(url)
        try:
            if is_old:
                await connection.execute(OF_THE_TIME_BEFORE, UUID(int=7))
            await asyncio.to_thread(migrate, url, MIGRATIONS)
            found.append([tuple(row) for row in await connection.fetch(PLACES)])
        finally:
            await connection.close()
    assert found == [[], [("identifiers", NIL)]]


async def test_every_identifier_is_told_once_more_and_whoever_is_stopped_goes_on(front_door: RunningService) -> None:
    async with front_door.database.transaction() as session:
        connection = await raw(session)
        for number in (1, 2, 3, 4):
            await connection.execute(OF_THE_TIME_BEFORE.replace("'U1'", f"'U{number}'"), UUID(int=number))
        await connection.execute(AS_THE_MIGRATION_LEAVES_IT, NIL)
    told: list[list[tuple[UUID, str]]] = []
    for _ in range(4):  # each as after a restart
        teller = IdentifierTeller(database=front_door.database, partitions=16, stretch=2)
        assert not await teller.tell()
        async with front_door.database.transaction() as session:
            rows = await (await raw(session)).fetch(
                "WITH taken AS (DELETE FROM outbox RETURNING payload) "
                "SELECT fact ->> 'anchor_id' AS anchor, fact ->> 'value' AS value "
                "FROM taken, jsonb_array_elements(payload::jsonb -> 'facts') AS fact ORDER BY 1"
            )
            told.append([(UUID(row["anchor"]), row["value"]) for row in rows])
    first, second = [(UUID(int=1), "U1"), (UUID(int=2), "U2")], [(UUID(int=3), "U3"), (UUID(int=4), "U4")]
    assert told == [first, second, [], []]


async def test_it_is_told_as_it_was(identity: RunningService) -> None:
    source: Sender = await make_source(identity, "shop", "Kizuna Inc.", "service")
    await source.resolve({"type": "identify", "userId": "1", "traits": {"email": "hanako@example.jp"}})
    before = await identity.published(IdentifierLinked)
    async with identity.database.transaction() as session:
        await (await raw(session)).execute(AS_THE_MIGRATION_LEAVES_IT, NIL)
    teller = IdentifierTeller(database=identity.database, partitions=16)
    await teller.tell()
    await identity.drain()
    again = (await identity.published(IdentifierLinked))[len(before) :]
    assert len(again) == 2
    assert sorted(map(str, map(said, again))) == sorted(map(str, map(said, before)))
    assert not {fact.event_id for fact in again} & {fact.event_id for fact in before}
