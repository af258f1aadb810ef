"""Every migration but the first can be taken back and applied again."""

import asyncio
from pathlib import Path

from identity_service.app import build
from identity_service.models import Base
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
