"""A population to measure on: customers with twenty events each, seeded, in the order of arrival, in profile's schema.

It is loaded once by COPY and kept below `.kizuna/bench`, a PostgreSQL cluster for each size: at a million customers
that takes about ten minutes and 12 GB. Delete the directory to make it anew (after editing a migration in place, say).

How it is spread: events come evenly over two years, and whose they are is drawn for each, heavy customers more often
(a tenth of the customers has a fifth of the events), so that a customer's events lie scattered over the table.
"""

import asyncio
import os
import random
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.migrations import migrate
from tests.bench.report import progress

ROOT = Path(__file__).parents[2]
MIGRATIONS = ROOT / "services" / "profile" / "migrations"
HOME = ROOT / ".kizuna" / "bench"
VERSION = 1
SEED = 11
USUAL_EVENTS_PER_CUSTOMER = 20
EVENTS_PER_CUSTOMER = int(os.environ.get("EVENTS_PER_CUSTOMER", USUAL_EVENTS_PER_CUSTOMER))
"""Fewer where the disk is small: a population takes 12 GB per twenty million events."""
DAYS = 730
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
"""The moment of measuring: the last event has just come."""
NAMES = (
    ("Page Viewed", 0.52),
    ("Product Viewed", 0.20),
    ("Order Completed", 0.12),
    ("Email Opened", 0.09),
    ("Product Added", 0.05),
    ("Survey Answered", 0.02),
)
COLUMNS = (
    "customer_id",
    "occurred_at",
    "event_id",
    "anchor_id",
    "kind",
    "name",
    "source_id",
    "revenue",
    "properties",
)
_LINES_AT_ONCE = 5_000
_ODD = 0x9E3779B97F4A7C15F39CC0605CEDC835
"""Times a number, modulo 2^128: ids that are spread, each once, and always the same."""

_FILL_CUSTOMERS = """
INSERT INTO customers (customer_id, first_event_at, latest_event_at, latest_event_id, latest_anchor_id, event_count,
                       purchase_count, purchase_total, last_purchase_at)
SELECT customer_id, min(occurred_at), max(occurred_at), customer_id, customer_id, count(*),
       count(*) FILTER (WHERE name = 'Order Completed'),
       COALESCE(sum(revenue) FILTER (WHERE name = 'Order Completed'), 0),
       max(occurred_at) FILTER (WHERE name = 'Order Completed')
FROM events GROUP BY customer_id ORDER BY min(occurred_at)
"""
_FILL_TRAITS = """
INSERT INTO traits (customer_id, name, value, source_id, observed_at, event_id)
SELECT customer_id, t.name, to_jsonb(t.value), 'web', latest_event_at, customer_id
FROM customers c CROSS JOIN LATERAL (VALUES
    ('plan', (ARRAY['free', 'free', 'basic', 'gold'])[1 + abs(uuid_hash_extended(c.customer_id, 1) % 4)]),
    ('prefecture', 'p' || abs(uuid_hash_extended(c.customer_id, 2) % 47))
) AS t (name, value)
"""


def customer_id(number: int) -> str:
    """The id of the customer of that number (from 1), as 32 hexadecimal digits."""
    return f"{number * _ODD % 2**128:032x}"


def lines(customers: int, events: int) -> Iterator[str]:
    """The events as COPY takes them, in the order of arrival."""
    chance = random.Random(SEED)
    names, weights = zip(*NAMES, strict=True)
    clock = [f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}+00" for second in range(86_400)]
    first = NOW.date() - timedelta(days=DAYS)
    days = [(first + timedelta(days=day)).isoformat() for day in range(DAYS + 1)]
    offset = NOW.hour * 3600 + NOW.minute * 60
    step = DAYS * 86_400 / events
    for start in range(0, events, _LINES_AT_ONCE):
        amount = min(_LINES_AT_ONCE, events - start)
        chosen = chance.choices(names, weights, k=amount)
        for number, name in enumerate(chosen, start):
            who = customer_id(1 + int(customers * chance.random() ** 1.5))
            day, second = divmod(offset + int(number * step), 86_400)
            what = _what(name, chance, number)
            yield (
                f"{who}\t{days[day]} {clock[second]}\t{(number + 1) * _ODD % 2**128:032x}\t{who}"
                f"\ttrack\t{name}\tweb\t{what}\n"
            )


def _what(name: str, chance: random.Random, number: int) -> str:
    """The columns revenue and properties."""
    if name == "Order Completed":
        revenue = 5 + int(chance.random() ** 3 * 49_500) / 100
        return f'{revenue}\t{{"revenue": {revenue}, "order_id": "o{number}", "category": "c{number % 23}"}}'
    if name == "Page Viewed":
        return f'\\N\t{{"path": "/pages/{number % 4999}", "referrer": "https://search.example"}}'
    return f'\\N\t{{"product_id": "p{number % 9973}", "category": "c{number % 23}"}}'


def directory_name(customers: int) -> str:
    """Where the population of that size lies; one with other than twenty events per customer lies beside it."""
    usual = f"population-{VERSION}-{customers}"
    return usual if EVENTS_PER_CUSTOMER == USUAL_EVENTS_PER_CUSTOMER else f"{usual}-{EVENTS_PER_CUSTOMER}"


@contextmanager
def population(customers: int) -> Iterator[str]:
    """The address of a database with so many customers, made if there is none yet; its server runs while in use."""
    directory = HOME / directory_name(customers)
    is_ready = directory / "ready"
    if not is_ready.exists():
        shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    with EmbeddedPostgres(directory / "postgres") as postgres:
        if not is_ready.exists():
            asyncio.run(_load(postgres, customers))
            is_ready.touch()
        migrate(postgres.url("population"), MIGRATIONS)
        yield postgres.url("population")


async def _load(postgres: EmbeddedPostgres, customers: int) -> None:
    administrator = await asyncpg.connect(postgres.url())
    await administrator.execute("DROP DATABASE IF EXISTS population")
    await administrator.execute("CREATE DATABASE population")
    await administrator.close()
    url = postgres.url("population")
    await asyncio.to_thread(migrate, url, MIGRATIONS)
    connection = await asyncpg.connect(
        url, server_settings={"maintenance_work_mem": "1GB", "synchronous_commit": "off"}
    )
    events = customers * EVENTS_PER_CUSTOMER
    indexes = await _drop_indexes(connection, "events")
    await connection.copy_to_table("events", columns=COLUMNS, source=_chunks(customers, events))
    for what, statement in [
        *((f"index {number + 1} of {len(indexes)}", index) for number, index in enumerate(indexes)),
        ("customers", "SET work_mem = '512MB'"),
        ("customers", _FILL_CUSTOMERS),
        ("traits", _FILL_TRAITS),
        ("vacuum", "VACUUM (ANALYZE)"),
        ("checkpoint", "CHECKPOINT"),
    ]:
        progress(f"population of {customers:,}: {what}")
        await connection.execute(statement)
    await connection.close()


async def _drop_indexes(connection: asyncpg.Connection, table: str) -> list[str]:
    """Drop a table's indexes; return the statements that make them again."""
    key = await connection.fetchval(
        "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = $1", f"{table}_pkey"
    )
    await connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey")
    rows = await connection.fetch("SELECT indexname, indexdef FROM pg_indexes WHERE tablename = $1", table)
    for row in rows:
        await connection.execute(f"DROP INDEX {row['indexname']}")
    return [f"ALTER TABLE {table} ADD CONSTRAINT {table}_pkey {key}", *(row["indexdef"] for row in rows)]


async def _chunks(customers: int, events: int) -> AsyncIterator[bytes]:
    began, pending = time.monotonic(), list[str]()
    for number, line in enumerate(lines(customers, events), 1):
        pending.append(line)
        if len(pending) == _LINES_AT_ONCE or number == events:
            yield "".join(pending).encode()
            pending.clear()
        if number % 1_000_000 == 0:
            rate = number / (time.monotonic() - began)
            progress(f"population of {customers:,}: {number:,} of {events:,} events, {rate:,.0f}/s")
