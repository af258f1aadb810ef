"""Every migration but the first can be taken back and applied again."""

import asyncio
from pathlib import Path

import asyncpg

from profile_service.app import build
from profile_service.models import Base
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.migrations import differences, migrate
from servicekit.testing import create_database

MIGRATIONS = Path(__file__).parents[2] / "migrations"


async def test_each_migration_is_taken_back_and_applied_again(postgres: EmbeddedPostgres) -> None:
    url = await create_database(postgres, build)
    count = len(list((MIGRATIONS / "versions").glob("*.py")))
    for _ in range(count - 1):  # the first is not undone
        await asyncio.to_thread(migrate, url, MIGRATIONS, "-1")
    await asyncio.to_thread(migrate, url, MIGRATIONS)
    assert await asyncio.to_thread(differences, url, Base.metadata) == []


async def test_relation_ids_recorded_before_leave_the_timeline(postgres: EmbeddedPostgres) -> None:
    url = await create_database(postgres, build)
    for _ in range(len(list((MIGRATIONS / "versions").glob("*.py"))) - 14):
        await asyncio.to_thread(migrate, url, MIGRATIONS, "-1")
    connection = await asyncpg.connect(url)
    await connection.execute(
        "INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, properties) "
        "SELECT gen_random_uuid(), now(), gen_random_uuid(), gen_random_uuid(), 'track', name, 'web', "
        """'{"relation_id": "1", "purpose": "gifts"}' FROM unnest($1::text[]) AS name""",
        ["Relation Date Given", "Relation Date Withdrawn", "Theirs"],
    )
    await asyncio.to_thread(migrate, url, MIGRATIONS)
    kept = await connection.fetch("SELECT name FROM events WHERE properties ? 'relation_id'")
    purposes = await connection.fetchval("SELECT count(*) FROM events WHERE properties ? 'purpose'")
    await connection.close()
    assert [row["name"] for row in kept] == ["Theirs"]
    assert purposes == 3
