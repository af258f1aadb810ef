"""Profile's use cases without NATS: what a consumer does with a batch, called directly."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from contracts.fact import Fact
from profile_service.app import build
from profile_service.conditions import Compiler
from profile_service.handlers import TRANSLATIONS
from profile_service.repository.conclusions import CONDITION, Conclusions
from profile_service.service import configuring, segments
from profile_service.service.backfilling import Backfiller
from profile_service.service.concluding import Concluder, LiveHints
from profile_service.service.following import Follower
from profile_service.service.recording import Recorder
from profile_service.service.static_lists import StaticLists
from profile_service.service.trait_work import TraitWork
from profile_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.database import Database, raw
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.nats import NatsConnection
from servicekit.testing import create_database

_TRANSLATIONS = {kind: translate for stream in TRANSLATIONS.values() for kind, translate in stream.items()}


@dataclass
class Desk:
    """Records, concludes and follows on a fresh database, at the tests' pace."""

    database: Database
    clock: FrozenClock
    recorder: Recorder
    follower: Follower
    trait_work: TraitWork
    backfiller: Backfiller
    lists: StaticLists

    async def record(self, facts: Sequence[Fact]) -> None:
        """One batch, one transaction."""
        async with self.database.transaction() as session:
            await self.recorder.record(session, [_TRANSLATIONS[type(fact)](fact) for fact in facts])

    async def publish_segment(self, key: str, condition: dict[str, Any]) -> UUID:
        """Create or edit, and publish."""
        async with self.database.transaction() as session:
            row, _ = await segments.put_segment(
                session,
                key,
                name=key,
                description=None,
                condition=CONDITION.validate_python(condition),
                demanded_revision=None,
                published_by="tester",
                now=self.clock.now(),
            )
            await segments.publish_segment(session, key, published_by="tester", why=None, now=self.clock.now())
            return row.segment_id

    async def put_ranks(self, ranks: Sequence[tuple[str, dict[str, Any]]]) -> None:
        """(key, condition), lowest first."""
        async with self.database.transaction() as session:
            parsed = [(key, key, CONDITION.validate_python(condition)) for key, condition in ranks]
            await configuring.put_ranks(session, parsed, demanded_version=None, now=self.clock.now())

    async def backfill(self) -> None:
        """Until there is nothing left."""
        while await self.backfiller.step():
            pass

    async def work_on_traits(self) -> None:
        """Until everybody is folded and everything retracted."""
        while await self.trait_work.step():
            pass

    async def expire(self) -> None:
        """Until nothing is due."""
        while await self.follower.expire():
            pass

    async def fetch(self, sql: str, *values: object) -> list[Any]:  # asyncpg records
        """Ask the database."""
        async with self.database.transaction() as session:
            rows: list[Any] = await (await raw(session)).fetch(sql, *values)
            return rows

    async def facts(self, kind: type[Fact]) -> list[Any]:
        """What waits in the outbox, of one type, in order."""
        import json

        rows = await self.fetch("SELECT payload FROM outbox WHERE type = $1 ORDER BY sequence", kind.fact_type)
        return [kind.model_validate(item) for row in rows for item in json.loads(row["payload"])["facts"]]


@asynccontextmanager
async def desk(postgres: EmbeddedPostgres, *, start: datetime, **settings: Any) -> AsyncIterator[Desk]:
    """Open a desk on a fresh database."""
    url = await create_database(postgres, build)
    chosen = Settings(nats_url="nats://nowhere", jwks_file=Path("none"), database_url=url, **settings)
    database, clock = Database(url, pool_size=6), FrozenClock(start)
    hints = LiveHints(NatsConnection(chosen.nats_url, name="test"), clock=clock)
    compiler = Compiler(promoted={chosen.revenue_property: "revenue"})
    concluder = Concluder(Conclusions(compiler), hints=hints, clock=clock, partitions=4, zone=ZoneInfo("Asia/Tokyo"))
    yield Desk(
        database=database,
        clock=clock,
        recorder=Recorder(chosen, concluder=concluder, hints=hints),
        follower=Follower(chosen, database=database, concluder=concluder, clock=clock),
        trait_work=TraitWork(database=database, concluder=concluder, clock=clock, chunk=chosen.backfill_chunk),
        backfiller=Backfiller(chosen, database=database, compiler=compiler, concluder=concluder, clock=clock),
        lists=StaticLists(concluder=concluder, clock=clock),
    )
    await database.close()
