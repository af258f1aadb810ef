"""Profile's long work, killed (-9) in the middle of its transactions: it ends as if undisturbed, each fact said once.

Every work is done twice on copies of one database: by a worker that is left alone, and by one that is killed again and
again at random points, each in the middle of a transaction.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from services.profile.tests.profile_facts import event, identify, moved, purchase

from contracts.fact import Fact
from contracts.relations import RELATION_DATE_GIVEN
from profile_service.app import build
from profile_service.handlers import TRANSLATIONS
from profile_service.settings import Settings
from servicekit.testing import Environment, RunningService, create_database, running
from tests.worker_process import Said, WorkerProcess, content_of, copy_of

PEOPLE = [UUID(int=number * 7919) for number in range(1, 201)]
REMARKS = 6
"""Of each: more than are read anew in one transaction."""
CHUNK = 20
MERGED = 40
PURPOSE = "gift-reminder"
BOUGHT = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 2}
OF_SPOUSE: dict[str, Any] = {"relation": "spouse", "occasion": "birthday", "purpose": PURPOSE}
SEGMENTS: dict[str, dict[str, Any]] = {
    "regular": BOUGHT,
    "best": {"kind": "percentile", "of": "monetary", "position": "top", "percent": 20},
    "gift-week": {"kind": "anniversary", "of": OF_SPOUSE, "position": "within_next", "days": 10},
    "birthday": {"kind": "anniversary", "of": {"trait": "born"}, "position": "within_next", "days": 10},
    "regular-in-tokyo": {
        "kind": "and",
        "conditions": [
            {"kind": "segment", "segment": "regular"},
            {"kind": "trait", "trait": "city", "comparison": "eq", "value": "Tokyo"},
        ],
    },
    "speaks-of-rival": {
        **BOUGHT,
        "event": "Remark Made",
        "value": 1,
        "where": [{"property": "topics", "comparison": "contains", "value": "rival"}],
    },
}
SIGN = {
    "name": "Interest",
    "meaning": "Looks at what a competitor sells.",
    "condition": {**BOUGHT, "event": "Rival Viewed", "window": {"days": 300}},
    "strength": "medium",
    "lifetime_days": 30,
}
EXPORT = {
    "columns": [
        {"name": "spend", "category": "x", "source": {"kind": "purchases", "of": "monetary"},
         "generalisation": {"kind": "steps", "width": 40}},
        {"name": "city", "category": "x", "source": {"kind": "trait", "trait": "city"},
         "generalisation": {"kind": "categories", "values": {"Tokyo": "Kanto"}}},
    ],
    "purpose": "x", "recipient": "x", "provision": "x", "rounding": 2,
}  # fmt: skip
AT_REST = """
NOT EXISTS (SELECT FROM outbox) AND NOT EXISTS (SELECT FROM moving_customers)
AND NOT EXISTS (SELECT FROM backfills WHERE finished_at IS NULL)
AND NOT EXISTS (SELECT FROM anonymised_exports WHERE stage <> 'over')
AND NOT EXISTS (SELECT FROM schedules WHERE next_at <= now())
AND NOT EXISTS (SELECT FROM remark_readings WHERE finished_at IS NULL)
"""
CONTENT = {
    "members": "SELECT s.key, m.customer_id FROM segment_memberships m JOIN segments s USING (segment_id) "
    "WHERE m.is_member",
    "signs": "SELECT customer_id, holds, is_active FROM customer_signs",
    "detections": "SELECT customer_id, anchor_id, version, is_renewal, reason FROM sign_detections",
    "cuts": "SELECT subject, version, kind, customers, value, at_least, at_most FROM cut_points",
    "scores": "SELECT subject, version FROM schedules",
    "remarks": "SELECT event_id, properties FROM events WHERE name = 'Remark Made'",
    "cells": "SELECT position, labels, count FROM anonymised_cells",
    "exports": "SELECT state, stage, customers, published, cells, smallest, customers_read FROM anonymised_exports",
    "readings": "SELECT customer_id FROM export_readings",
    "customers": "SELECT customer_id, event_count, purchase_count, purchase_total FROM customers",
    "traits": "SELECT customer_id, name, value FROM traits",
    "relations": "SELECT customer_id, relation, occasion, purpose FROM relations",
    "sizes": "SELECT key, COALESCE((SELECT size FROM segment_sizes z WHERE z.segment_id = s.segment_id), 0)"
    " + COALESCE((SELECT sum(entered - exited) FROM segment_size_changes c WHERE c.segment_id = s.segment_id), 0)"
    " FROM segments s",
}


def facts_of(person: UUID, number: int, *, now: datetime) -> list[Fact]:
    """What is known of the n-th of them, always the same but for the day it is told on."""
    soon = (now + timedelta(days=5)).strftime("--%m-%d")
    found: list[Fact] = [
        identify(person, now - timedelta(days=50), city=("Tokyo", "Osaka")[number % 2],
                 born=(now + timedelta(days=number % 60)).replace(year=1990).date().isoformat()),
        *(purchase(person, now - timedelta(days=40 + place), number % 17 * 10 + place) for place in range(number % 4)),
        *(event(person, "Rival Viewed", now - timedelta(days=9 + place)) for place in range(number % 3 + 1)),
        *(event(person, "Remark Made", now - timedelta(days=3, minutes=place), language="ja",
                text="ライバル洗は最低" if (number + place) % 5 == 0 else "ただの日記") for place in range(REMARKS)),
    ]  # fmt: skip
    if number % 3 == 0:
        found.append(event(person, RELATION_DATE_GIVEN, now - timedelta(days=2), date=soon, **OF_SPOUSE))
    return found


@dataclass
class World:
    """A database with people, and a service on it that only answers."""

    service: RunningService
    environment: Environment
    chance: Random

    async def call(self, method: str, path: str, body: Any = None) -> None:
        """Ask the service for something to be done."""
        scopes = ("profile:read", "profile:write", "exports:write")
        answer = await self.service.client.request(
            method, f"/v1/{path}", json=body, headers=self.service.headers(*scopes)
        )
        assert answer.is_success, answer.text

    async def publish_segments(self, *keys: str) -> None:
        """Define and publish segments."""
        for key in keys:
            await self.call("PUT", f"segments/{key}", {"name": key, "condition": SEGMENTS[key]})
            await self.call("POST", f"segments/{key}:publish")

    def worker(self, database_url: str) -> WorkerProcess:
        """A worker on one of the copies."""
        return WorkerProcess(
            "profile", self.environment, database_url=database_url, backfill_chunk=CHUNK, backfill_kept_chunk=CHUNK
        )


@pytest.fixture
async def world(environment: Environment) -> AsyncIterator[World]:
    """Two hundred people."""
    url = await create_database(environment.postgres, build)
    async with running(build, Settings, environment, workers=False, database_url=url) as service:
        translate = {kind: each for kinds in TRANSLATIONS.values() for kind, each in kinds.items()}
        recorder: Any = service.service.resources["recorder"]
        now = service.clock.now().replace(microsecond=0)
        for start in range(0, len(PEOPLE), 50):
            facts = [fact for number in range(start, start + 50) for fact in facts_of(PEOPLE[number], number, now=now)]
            async with service.database.transaction() as session:
                await recorder.record(session, [translate[type(fact)](fact) for fact in facts])
        yield World(service, environment, Random(20))


Ask = Callable[[World], Awaitable[None]]
Hold = Callable[[World, asyncpg.Connection], Awaitable[object]]


async def ask_for_an_export(world: World) -> None:
    await world.call("POST", "anonymised-exports", EXPORT)


async def hold_a_reading(world: World, connection: asyncpg.Connection) -> None:
    """Be about to read one whom the worker has yet to read; or keep the export from saying what it came to."""
    export = await connection.fetchrow("SELECT export_id, stage, cursor FROM anonymised_exports")
    left = [person for person in PEOPLE if export["cursor"] is None or person > export["cursor"]]
    if export["stage"] == "reading" and left:
        await connection.execute(
            "INSERT INTO export_readings (customer_id, export_id, labels) VALUES ($1, $2, '{}')",
            world.chance.choice(left[: 3 * CHUNK]), export["export_id"],
        )  # fmt: skip
    else:
        await connection.execute("SELECT FROM anonymised_exports FOR UPDATE")


async def ask_for_cut_points(world: World) -> None:
    await world.publish_segments("best")
    spent = {"kind": "events", "event": "Order Completed", "function": "sum", "property": "revenue"}
    await world.call("PUT", "computed-traits/spent", {"name": "spent", "value": spent})
    for subject in ("recency", "frequency", "monetary", "computed:spent"):
        await world.call("PUT", f"cut-points/{subject}", {"every": "week", "day": 1, "at": "03:00"})


async def hold_definitions(_: World, connection: asyncpg.Connection) -> None:
    """What is wanted when everybody is measured."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('segments', 0))")


async def ask_for_backfills(world: World) -> None:
    await world.publish_segments("regular", "gift-week", "birthday", "regular-in-tokyo")
    await world.call("PUT", "signs/interest", SIGN)
    await world.call("POST", "signs/interest:publish")


async def hold_a_customer(world: World, connection: asyncpg.Connection) -> None:
    """One whom the sign, which comes last, has yet to be asked about."""
    done = await connection.fetchval("SELECT cursor FROM backfills WHERE subject LIKE 'sign%'")
    left = [person for person in PEOPLE if done is None or person > done]
    await connection.execute(
        "SELECT FROM customers WHERE customer_id = $1 FOR UPDATE", world.chance.choice(left or PEOPLE)
    )


async def ask_for_remarks(world: World) -> None:
    await world.publish_segments("speaks-of-rival")
    await world.call(
        "PUT", "remark-topics/rival", {"name": "x", "kind": "competitor", "keywords": {"ja": ["ライバル洗"]}}
    )
    await world.call("PUT", "remark-opinions/negative", {"words": {"ja": ["最低"]}})


async def hold_a_remark(world: World, connection: asyncpg.Connection) -> None:
    """One that has yet to be read anew."""
    left = await connection.fetch(
        "SELECT event_id FROM events WHERE name = 'Remark Made' AND properties ->> 'text' LIKE 'ライバル%' "
        "AND properties -> 'topics' = '[]' ORDER BY event_id"
    )
    if left:
        await connection.execute(
            "SELECT FROM events WHERE event_id = $1 FOR UPDATE", world.chance.choice(left)["event_id"]
        )


@dataclass(frozen=True)
class Work:
    """What is asked for, and what is held so that a kill comes in its middle."""

    ask: Ask
    hold: Hold
    tells: bool
    """Whether facts are said of it."""


WORKS = {
    "an anonymised export": Work(ask_for_an_export, hold_a_reading, tells=False),
    "cut points, RFM and a computed trait's": Work(ask_for_cut_points, hold_definitions, tells=True),
    "segments with dates of relations, and a sign": Work(ask_for_backfills, hold_a_customer, tells=True),
    "remarks by other rules": Work(ask_for_remarks, hold_a_remark, tells=True),
}
KILLS = [1, pytest.param(25, marks=pytest.mark.slow)]


async def killed_again_and_again(worker: WorkerProcess, world: World, hold: Hold, *, kills: int, is_over: str) -> int:
    """Kill it in the middle as often as there is one; let it end then. Returns how often it was killed."""
    died = [
        await worker.killed_in_the_middle(lambda connection: hold(world, connection), or_if=is_over)
        for _ in range(kills)
    ]
    worker.start()
    try:
        await worker.until(is_over)
    finally:
        worker.kill()
    return sum(statement is not None for statement in died)


async def left_alone(worker: WorkerProcess, *, is_over: str) -> None:
    """Let it do all its work."""
    worker.start()
    try:
        await worker.until(is_over)
    finally:
        worker.kill()


@pytest.mark.parametrize("kills", KILLS)
@pytest.mark.parametrize("name", WORKS)
async def test_killed_in_the_middle_it_ends_as_if_undisturbed(world: World, name: str, kills: int) -> None:
    work = WORKS[name]
    await work.ask(world)
    url = world.service.database.url
    await world.service.database.engine.dispose()
    calm = await copy_of(url, world.environment.postgres.url(), f"calm_{uuid4().hex[:8]}")
    said = Said(world.service.nats, "profile")
    await said.since_last()
    await left_alone(world.worker(calm), is_over=AT_REST)
    expected, once = await content_of(calm, CONTENT), await said.since_last()
    died = await killed_again_and_again(world.worker(url), world, work.hold, kills=kills, is_over=AT_REST)
    print(f"killed {died} times in the middle of a transaction")
    assert died >= min(kills, 2), "it was not killed in the middle of anything"
    assert await content_of(url, CONTENT) == expected
    assert await said.since_last() == once
    assert bool(once) == work.tells
    assert set(once.values()) <= {1}


async def hold_an_event(world: World, connection: asyncpg.Connection) -> None:
    """One that has yet to follow its anchor."""
    left = await connection.fetch(
        "SELECT event_id FROM events WHERE customer_id = ANY($1::uuid[]) ORDER BY event_id", PEOPLE[1:MERGED:2]
    )
    if left:
        await connection.execute(
            "SELECT FROM events WHERE event_id = $1 FOR UPDATE", world.chance.choice(left)["event_id"]
        )


@pytest.mark.parametrize("kills", KILLS)
async def test_killed_while_customers_merge_it_ends_as_if_undisturbed(world: World, kills: int) -> None:
    await ask_for_backfills(world)
    url = world.service.database.url
    await left_alone(world.worker(url), is_over=AT_REST)
    await world.service.database.engine.dispose()
    calm = await copy_of(url, world.environment.postgres.url(), f"calm_{uuid4().hex[:8]}")
    pairs = list(zip(PEOPLE[1:MERGED:2], PEOPLE[0:MERGED:2], strict=True))
    moves = [moved(former, former=former, to=to, occurred_at=world.service.clock.now()) for former, to in pairs]
    arrived = f"{AT_REST} AND (SELECT count(*) FROM anchors WHERE pending = 0) = {len(moves)}"
    said = Said(world.service.nats, "profile")
    await said.since_last()
    await world.service.publish(moves)
    await left_alone(world.worker(calm), is_over=arrived)
    expected, once = await content_of(calm, CONTENT), await said.since_last()
    await world.service.publish(moves)
    died = await killed_again_and_again(world.worker(url), world, hold_an_event, kills=kills, is_over=arrived)
    print(f"killed {died} times in the middle of a transaction")
    assert died >= min(kills, 2), "it was not killed in the middle of anything"
    assert await content_of(url, CONTENT) == expected
    assert await said.since_last() == once
    assert once and set(once.values()) == {1}
