"""P5 and P6: segments over everybody and live, against SQL written by hand in the same database.

Everything is measured on `population`, a million customers and twenty million events. Both sides of a pair run in the
same session settings, warm (one turn before is not counted). How it grows with the population: `growth`.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from profile_service.conditions import Compiler
from profile_service.repository.conclusions import CONDITION, Conclusions, Definitions
from profile_service.repository.previews import SCAN_MEMORY
from profile_service.service import segments
from profile_service.service.backfilling import Backfiller
from profile_service.service.concluding import Concluder, LiveHints
from profile_service.service.previewing import Previewer
from profile_service.service.recording import Recorder
from profile_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.database import Database, raw
from servicekit.nats import NatsConnection
from tests.bench.population import NOW, customer_id, population
from tests.bench.report import Ratio, progress

MILLION = 1_000_000
BATCH = 500
ORDER = "Order Completed"


@dataclass(frozen=True)
class Asked:
    """A condition, and the SQL that a person would write for it (`$1`: now)."""

    what: str
    condition: dict[str, Any]
    by_hand: str


ASKED = (
    Asked(
        "two orders in 30 days",
        {"kind": "event_count", "event": ORDER, "comparison": "ge", "value": 2, "window": {"days": 30}},
        """
        SELECT customer_id FROM events
        WHERE name = 'Order Completed' AND occurred_at > $1::timestamptz - interval '30 days' AND occurred_at <= $1
        GROUP BY customer_id HAVING count(*) >= 2
        """,
    ),
    Asked(
        "spent 500 in all",
        {"kind": "event_sum", "event": ORDER, "property": "revenue", "comparison": "ge", "value": 500},
        "SELECT customer_id FROM events WHERE name = 'Order Completed' AND occurred_at <= $1 "
        "GROUP BY customer_id HAVING sum(revenue) >= 500",
    ),
    Asked(
        "looks often, buys not",
        {
            "kind": "and",
            "conditions": [
                {
                    "kind": "event_count",
                    "event": "Product Viewed",
                    "comparison": "ge",
                    "value": 3,
                    "window": {"days": 90},
                },
                {
                    "kind": "not",
                    "condition": {"kind": "event_last", "event": ORDER, "position": "within", "days": 90},
                },
            ],
        },
        """
        SELECT customer_id FROM events v
        WHERE name = 'Product Viewed' AND occurred_at > $1::timestamptz - interval '90 days' AND occurred_at <= $1
          AND NOT EXISTS (
              SELECT FROM events o WHERE o.customer_id = v.customer_id AND o.name = 'Order Completed'
              AND o.occurred_at > $1::timestamptz - interval '90 days' AND o.occurred_at <= $1)
        GROUP BY customer_id HAVING count(*) >= 3
        """,
    ),
)

# What keeps the same memberships, with the moments at which time changes them, for a condition with a window.
BACKFILL = ASKED[0]
BACKFILL_BY_HAND = """
INSERT INTO by_hand (customer_id, segment_id, is_member, since, valid_until)
SELECT customer_id, $2, true, $1, (array_agg(occurred_at ORDER BY occurred_at DESC))[2] + interval '30 days'
FROM events WHERE name = 'Order Completed' AND occurred_at > $1::timestamptz - interval '30 days' AND occurred_at <= $1
GROUP BY customer_id HAVING count(*) >= 2
"""
LARGE_BACKFILL = ASKED[1]
LARGE_BACKFILL_BY_HAND = """
INSERT INTO by_hand (customer_id, segment_id, is_member, since)
SELECT customer_id, $2, true, $1
FROM events WHERE name = 'Order Completed' AND occurred_at <= $1 GROUP BY customer_id HAVING sum(revenue) >= 500
"""


@dataclass
class Desk:
    """Profile's use cases on a population."""

    settings: Settings
    database: Database
    clock: FrozenClock
    compiler: Compiler
    conclusions: Conclusions
    recorder: Recorder
    backfiller: Backfiller
    previewer: Previewer

    @classmethod
    def on(cls, url: str) -> "Desk":
        """Wire them as profile does, without NATS."""
        settings = Settings(nats_url="nats://nowhere", jwks_file=Path("none"), database_url=url)
        database, clock = Database(url, pool_size=4), FrozenClock(NOW)
        hints = LiveHints(NatsConnection(settings.nats_url, name="bench"), clock=clock)
        compiler = Compiler(promoted={settings.revenue_property: "revenue"})
        conclusions = Conclusions(compiler)
        concluder = Concluder(conclusions, hints=hints, clock=clock, partitions=16, zone=compiler.zone)
        return cls(
            settings,
            database,
            clock,
            compiler,
            conclusions,
            Recorder(settings, concluder=concluder, hints=hints),
            Backfiller(settings, database=database, compiler=compiler, concluder=concluder, clock=clock),
            Previewer(settings, compiler=compiler),
        )

    async def empty(self) -> None:
        """Forget all segments and whatever was concluded or published."""
        connection = await self.database.connect()
        await connection.execute(
            "TRUNCATE segments, segment_versions, segment_memberships, segment_sizes, segment_days, "
            "segment_size_changes, backfills, backfill_answers, outbox; DROP TABLE IF EXISTS by_hand"
        )
        await connection.close()

    async def close(self) -> None:
        """Leave the population as it was."""
        await self.empty()
        await self.database.close()

    async def publish(self, key: str, condition: dict[str, Any]) -> UUID:
        """Put and publish a segment; nobody is evaluated yet."""
        async with self.database.transaction() as session:
            row, _ = await segments.put_segment(
                session,
                key,
                name=key,
                description=None,
                condition=CONDITION.validate_python(condition),
                demanded_revision=None,
                published_by="bench",
                now=NOW,
            )
            await segments.publish_segment(session, key, published_by="bench", why=None, now=NOW)
            return row.segment_id


async def seconds(action: Callable[[], Awaitable[object]]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    await action()
    return time.perf_counter() - began


async def by_hand(desk: Desk, sql: str, *values: object) -> None:
    """Run hand-written SQL as ours runs: a transaction, as much memory."""
    async with desk.database.transaction() as session:
        connection = await raw(session)
        await connection.execute(SCAN_MEMORY)
        await connection.execute(sql, *values)


async def previewed(desk: Desk, condition: dict[str, Any]) -> int:
    """Ours: count everybody, with a sample."""
    async with desk.database.transaction() as session:
        parsed = CONDITION.validate_python(condition)
        return (await desk.previewer.preview(session, parsed, mode="exact", now=NOW)).count


async def estimated(desk: Desk, condition: dict[str, Any]) -> int:
    """Ours: from a sample of the customers."""
    async with desk.database.transaction() as session:
        parsed = CONDITION.validate_python(condition)
        return (await desk.previewer.preview(session, parsed, mode="estimate", now=NOW)).count


async def counted_by_hand(desk: Desk, sql: str) -> None:
    """Theirs: the count alone."""
    async with desk.database.transaction() as session:
        connection = await raw(session)
        await connection.execute(SCAN_MEMORY)
        await connection.fetchval(f"SELECT count(*) FROM ({sql}) AS members", NOW)  # our own text


async def backfilled(desk: Desk, condition: dict[str, Any]) -> float:
    """Ours: from the publication until everybody's membership is kept and every fact stands in the outbox."""
    await desk.empty()
    await desk.publish("bench", condition)

    async def work() -> None:
        while await desk.backfiller.step():
            pass

    return await seconds(work)


async def kept_by_hand(desk: Desk, sql: str) -> float:
    """Theirs: one INSERT into a table with the same indexes, no facts."""
    await desk.empty()
    await by_hand(desk, "CREATE TABLE by_hand (LIKE segment_memberships INCLUDING ALL)")
    return await seconds(lambda: by_hand(desk, sql, NOW, uuid4()))


async def pairs(ratio: Ratio, ours: Callable[[], Awaitable[float]], theirs: Callable[[], Awaitable[float]]) -> Ratio:
    """Five pairs in turns after one that warms up; both sides in milliseconds."""
    await ours()
    await theirs()
    for number in range(5):
        sides = [(ratio.ours, ours), (ratio.limit, theirs)]
        for values, measure in sides if number % 2 else reversed(sides):
            values.append(await measure() * 1000)
        progress(f"{ratio.id}: {ratio.what}: pair {number + 1} of 5")
    return ratio


def measure_p5(customers: int = MILLION) -> list[Ratio]:
    """Previews and backfills over everybody against SQL written by hand; at most 1.5 times its time."""
    with population(customers) as url:
        return asyncio.run(_measure_p5(Desk.on(url)))


async def _measure_p5(desk: Desk) -> list[Ratio]:
    ratios = [
        await pairs(
            Ratio("P5", f"preview, {asked.what}", "by hand", 1.5, "ms", at_most=True),
            lambda asked=asked: seconds(lambda: previewed(desk, asked.condition)),  # type: ignore[misc]  # a default binds it
            lambda asked=asked: seconds(lambda: counted_by_hand(desk, asked.by_hand)),  # type: ignore[misc]  # the same
        )
        for asked in ASKED
    ]
    for asked, sql in ((BACKFILL, BACKFILL_BY_HAND), (LARGE_BACKFILL, LARGE_BACKFILL_BY_HAND)):
        ratios.append(
            await pairs(
                Ratio("P5", f"backfill with its facts, {asked.what}", "INSERT by hand", 1.5, "ms", at_most=True),
                lambda asked=asked: backfilled(desk, asked.condition),  # type: ignore[misc]  # a default binds it
                lambda sql=sql: kept_by_hand(desk, sql),  # type: ignore[misc]  # the same
            )
        )
    ratios += [await _estimate(desk, asked) for asked in ASKED]
    await desk.close()
    return ratios


async def _estimate(desk: Desk, asked: Asked) -> Ratio:
    """An estimate takes less than a second, however many customers there are."""
    ratio = Ratio("P5", f"estimate, {asked.what}", "limit", 1, "ms", at_most=True)
    await estimated(desk, asked.condition)
    ratio.ours = [await seconds(lambda: estimated(desk, asked.condition)) * 1000 for _ in range(5)]
    ratio.limit = [1000.0] * len(ratio.ours)
    return ratio


def fifty_conditions() -> list[dict[str, Any]]:
    """Fifty segments as shops have them: counts, sums, recency and their combinations over six events."""
    chance, conditions = random.Random(6), list[dict[str, Any]]()
    events = ["Order Completed", "Product Viewed", "Email Opened", "Product Added", "Survey Answered", "Page Viewed"]
    for number in range(50):
        event, days = events[number % len(events)], chance.choice([7, 14, 30, 60, 90, 180, 365])
        count: dict[str, Any] = {
            "kind": "event_count",
            "event": event,
            "comparison": chance.choice(["ge", "lt"]),
            "value": chance.randrange(1, 6),
            "window": {"days": days},
        }
        recent = {"kind": "event_last", "event": chance.choice(events[:5]), "position": "within", "days": days}
        spent = {
            "kind": "event_sum",
            "event": ORDER,
            "property": "revenue",
            "comparison": "ge",
            "value": chance.randrange(50, 900),
        }
        conditions.append(
            [count, recent, spent, {"kind": "and", "conditions": [count, recent]}, {"kind": "not", "condition": count}][
                number % 5
            ]
        )
    return conditions


def batch_of(chance: random.Random, customers: int) -> list[UUID]:
    """The customers of one batch of 500 events: about 400."""
    return sorted({UUID(customer_id(1 + int(customers * chance.random() ** 1.5))) for _ in range(BATCH * 4 // 5)})


def measure_p6(customers: int = MILLION) -> Ratio:
    """Live re-evaluation of fifty segments for the customers of one 500-event batch, against all fifty recomputed."""
    with population(customers) as url:
        return asyncio.run(_measure_p6(Desk.on(url), customers))


async def publish_fifty(desk: Desk, amount: int = 50) -> Definitions:
    """Publish the fifty segments, or the first of them, of which nobody is evaluated; what they come to."""
    await desk.empty()
    for number, condition in enumerate(fifty_conditions()[:amount]):
        await desk.publish(f"bench-{number}", condition)
    connection = await desk.database.connect()
    await connection.execute("TRUNCATE backfills")
    await connection.close()
    async with desk.database.transaction() as session:
        return await desk.conclusions.definitions(session)


async def _measure_p6(desk: Desk, customers: int) -> Ratio:
    definitions, chance = await publish_fifty(desk), random.Random(60)
    conditions = [each.condition for each in definitions.segments]

    async def batch() -> float:
        people = batch_of(chance, customers)

        async def evaluate() -> None:
            async with desk.database.transaction() as session:
                connection = await raw(session)
                await connection.execute(
                    "SELECT FROM customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id FOR UPDATE", people
                )
                await desk.conclusions.evaluate(session, people, definitions, now=NOW)

        return await seconds(evaluate)

    async def everybody() -> float:
        compiled = desk.compiler.everybody(conditions)
        answers = ", ".join(f"count(*) FILTER (WHERE m{position})" for position in range(len(conditions)))
        sql = f"SELECT {answers} FROM ({compiled.sql}) AS answers"  # compiled, with parameters
        return await seconds(lambda: by_hand(desk, sql, NOW, *compiled.parameters))

    ratio = Ratio("P6", "50 segments for one batch of 500 events", "for everybody", 0.02, "ms", at_most=True)
    limit = [await everybody() * 1000 for _ in range(2)][-1:]  # takes minutes, and hardly varies
    progress("P6: everybody looked at")
    for _ in range(10):
        await batch()
    ratio.ours = [await batch() * 1000 for _ in range(9)]
    ratio.limit = limit * len(ratio.ours)
    await desk.close()
    return ratio
