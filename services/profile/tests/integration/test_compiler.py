"""The compiler against the plain reading: random trees, events, traits and clocks, on the real PostgreSQL."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import lists, tuples
from services.profile.tests.plain_reading import PlainCustomer, PlainEvent, holds
from services.profile.tests.random_conditions import CURRENCY, NOW, counts, customers, recencies, trees

from contracts.conditions import Condition
from profile_service.app import build
from profile_service.conditions import Compiler, check_condition
from profile_service.repository.conclusions import CONDITION
from servicekit.database import Database, raw
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.testing import create_database

DAY = timedelta(days=1)


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    database = Database(await create_database(postgres, build), pool_size=1)
    yield database
    await database.close()


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    trees=tuples(
        lists(trees, min_size=1, max_size=3),
        lists(counts, min_size=3, max_size=3),
        lists(recencies, min_size=2, max_size=2),
    ),
    people=lists(customers, min_size=2, max_size=5),
)
async def test_the_compiler_reads_like_plain_python(
    database: Database, trees: tuple[list[dict[str, Any]], ...], people: list[PlainCustomer]
) -> None:
    """Live answers, everybody's answers, and: nothing changes by time alone before valid_until."""
    conditions = [CONDITION.validate_python(tree) for some in trees for tree in some]
    for condition in conditions:
        check_condition(condition)
    known = {uuid4(): customer for customer in people}
    stranger = uuid4()
    compiler = Compiler(promoted={"revenue": "revenue"})
    async with database.transaction() as session:
        connection = await raw(session)
        await _store(connection, known)
        answers = await _live(connection, compiler, conditions, [*known, stranger])
        everybody = [await _members(connection, compiler, condition) for condition in conditions]
        await connection.execute("TRUNCATE events, traits, customers")
    for position, condition in enumerate(conditions):
        expected = {key: holds(condition, customer, now=NOW, currency=CURRENCY) for key, customer in known.items()}
        assert {key: answers[key][position][0] for key in known} == expected
        assert everybody[position] == {key for key, matches in expected.items() if matches}
        unknown = holds(condition, PlainCustomer([], {}), now=NOW, currency=CURRENCY)
        assert answers[stranger][position] == (unknown, None)
        for key, customer in known.items():
            matches, valid_until = answers[key][position]
            assert valid_until is None or (valid_until > NOW and valid_until in _edges(customer))
            _assert_unchanged(condition, customer, matches, until=valid_until)


def _assert_unchanged(condition: Condition, customer: PlainCustomer, matches: bool, *, until: datetime | None) -> None:
    """Look at every moment around which anything could change, up to the promised one."""
    moments = [edge + slip * timedelta(microseconds=1) for edge in _edges(customer) for slip in (-1, 0, 1)]
    for moment in [*moments, NOW + 400 * DAY]:
        if moment >= NOW and (until is None or moment < until):
            assert holds(condition, customer, now=moment, currency=CURRENCY) == matches, (moment, until)


def _edges(customer: PlainCustomer) -> set[datetime]:
    """When an event begins to count, or leaves one of the windows."""
    return {event.occurred_at + days * DAY for event in customer.events for days in (0, 1, 2, 7, 30)}


async def _store(connection: asyncpg.Connection, known: dict[UUID, PlainCustomer]) -> None:
    await connection.executemany(
        "INSERT INTO customers (customer_id, first_event_at, latest_event_at, latest_event_id, latest_anchor_id, "
        "event_count) VALUES ($1, $2, $2, $1, $1, 0)",
        [(customer_id, NOW) for customer_id in known],
    )
    await connection.executemany(
        "INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, revenue, "
        "properties) VALUES ($1, $2, $3, $1, 'track', $4, 'test', $5, $6)",
        [
            (customer_id, event.occurred_at, uuid4(), event.name, _revenue(event), json.dumps(dict(event.properties)))
            for customer_id, customer in known.items()
            for event in customer.events
        ],
    )
    await connection.executemany(
        "INSERT INTO traits VALUES ($1, $2, $3, 'test', $4, $1)",
        [
            (customer_id, name, json.dumps(value), NOW)
            for customer_id, customer in known.items()
            for name, value in customer.traits.items()
        ],
    )


def _revenue(event: PlainEvent) -> Decimal | None:
    value = event.properties.get("revenue")
    if isinstance(value, bool) or not isinstance(value, int | float) or "currency" in event.properties:
        return None
    return Decimal(str(value))


async def _live(
    connection: asyncpg.Connection, compiler: Compiler, conditions: list[Condition], customer_ids: list[UUID]
) -> dict[UUID, list[tuple[bool, datetime | None]]]:
    compiled = compiler.live(conditions)
    moments = ", ".join(f"NULLIF(v{i}, 'infinity') AS v{i}" for i in range(len(conditions)))
    matches = ", ".join(f"m{i}" for i in range(len(conditions)))
    rows = await connection.fetch(
        f"SELECT customer_id, {matches}, {moments} FROM ({compiled.sql}) AS live",
        NOW,
        customer_ids,
        *compiled.parameters,
    )
    return {row["customer_id"]: [(row[f"m{i}"], row[f"v{i}"]) for i in range(len(conditions))] for row in rows}


async def _members(connection: asyncpg.Connection, compiler: Compiler, condition: Condition) -> set[UUID]:
    compiled = compiler.members(condition)
    return {row["customer_id"] for row in await connection.fetch(compiled.sql, NOW, *compiled.parameters)}
