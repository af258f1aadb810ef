"""P10: how what P5 and P6 measure, and timelines, grow with the population, from ten thousand customers to a million.

`make bench-large`: ten million. Where the disk is small: fewer events (`EVENTS_PER_CUSTOMER`) and fewer segments, whose
answers take more than the events (`SEGMENTS`), at each size.
"""

import asyncio
import os
import random
import statistics
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from contracts.identity import ResolvedEvent
from profile_service.handlers import from_resolved_event
from profile_service.repository.conclusions import Definitions
from profile_service.rules.policy import EVERYBODY_READS_ALL, Caller, PolicyDocument
from profile_service.service import reading
from profile_service.service.policy import PolicyKeeper
from tests.bench.population import NOW, customer_id, population
from tests.bench.report import progress
from tests.bench.segments import (
    ASKED,
    BATCH,
    MILLION,
    ORDER,
    Desk,
    backfilled,
    by_hand,
    previewed,
    publish_fifty,
    seconds,
)

SEGMENTS = int(os.environ.get("SEGMENTS", "50"))


@dataclass(frozen=True)
class Growth:
    """What the same things cost on a population of some size, in milliseconds (medians)."""

    customers: int
    batch: float
    first_batch: float
    preview: float
    backfill: float
    timeline: float
    hidden: float

    def line(self, base: "Growth") -> str:
        """One line, against the smallest population; what goes over everybody per customer."""
        size = self.customers / base.customers
        return (
            f"P10  {self.customers:>10,} customers: batch of {BATCH} with {SEGMENTS} segments {self.batch:,.0f} ms "
            f"({self.batch / base.batch:.2f}x; right after a checkpoint {self.first_batch:,.0f} ms), "
            f"preview {self.preview:,.0f} ms "
            f"({self.preview / base.preview / size:.2f}x per customer), backfill {self.backfill:,.0f} ms "
            f"({self.backfill / base.backfill / size:.2f}x per customer), "
            f"a page of the longest timeline {self.timeline:.1f} ms, "
            f"with all but a thousandth hidden by department {self.hidden:.1f} ms"
        )


def measure_p10(sizes: Sequence[int] = (10_000, 100_000, MILLION)) -> list[str]:
    """How recording a batch with `SEGMENTS` live segments (P2's part in the database), preview and backfill grow."""
    with ExitStack() as running:
        urls = {customers: running.enter_context(population(customers)) for customers in sizes}
        grown = asyncio.run(_measure_growth({customers: Desk.on(url) for customers, url in urls.items()}))
    return [each.line(grown[0]) for each in grown]


async def _measure_growth(desks: dict[int, Desk]) -> list[Growth]:
    batches = await _batches(desks)
    grown = []
    for customers, desk in desks.items():
        previews = [await seconds(lambda desk=desk: previewed(desk, ASKED[1].condition)) for _ in range(4)][1:]  # type: ignore[misc]  # a default binds it
        timelines, hidden = await _pages_of_the_longest(desk)
        backfills = [await backfilled(desk, ASKED[1].condition) for _ in range(3)][1:]
        await desk.close()
        progress(f"P10: {customers:,} customers measured")
        taken = (*batches[customers], previews, backfills, timelines, hidden)
        grown.append(Growth(customers, *(statistics.median(each) * 1000 for each in taken)))
    return grown


async def _batches(desks: dict[int, Desk]) -> dict[int, tuple[list[float], list[float]]]:
    """Batches recorded in turns, one on each population, so that all are taken under the same load; and the first ones.

    In a state that lasts: everybody's answers are kept already, what live work reads has been read before, and every
    page stands in the log already since the last checkpoint. Without the first, each batch would write twenty-five
    first answers for each of its customers, which happens once in a customer's life (on a small population soon for
    all, on a large one for nearly every batch). Without the last, each page that a batch changes goes into the log
    whole: once between two checkpoints. Batches right after one are told apart; what comes later is measured without
    whole pages in the log, instead of writing batches until each page stands in it.
    """
    chance, first = random.Random(10), {customers: list[float]() for customers in desks}
    for customers, desk in desks.items():
        await _keep_answers(desk, await publish_fifty(desk, SEGMENTS))
        progress(f"P10: {customers:,} customers' answers are kept")
        await _read_what_live_work_reads(desk)
        await _write_whole_pages(desk, "on")
        first[customers] += [await _batch(desk, chance, customers) for _ in range(35)][10:]
        await _write_whole_pages(desk, "off")
        progress(f"P10: {customers:,} customers, first batches measured")
    taken = {customers: list[float]() for customers in desks}
    for number in range(10 + 25):
        for customers, desk in desks.items() if number % 2 else reversed(desks.items()):
            taken[customers].append(await _batch(desk, chance, customers))
    for desk in desks.values():
        await _write_whole_pages(desk, "on")
    return {customers: (taken[customers][10:], first[customers]) for customers in desks}


async def _batch(desk: Desk, chance: random.Random, customers: int) -> float:
    people = [UUID(customer_id(1 + int(customers * chance.random() ** 1.5))) for _ in range(BATCH)]
    names = [ORDER, "Product Viewed", "Page Viewed", "Email Opened", "Page Viewed"]
    facts = [from_resolved_event(_event(person, names[n % 5], n)) for n, person in enumerate(people)]
    async with desk.database.transaction() as session:  # rolled back: the population stays what it is
        taken = await seconds(lambda: desk.recorder.record(session, facts))
        await session.rollback()
    return taken


async def _keep_answers(desk: Desk, definitions: Definitions) -> None:
    """What backfills of all segments keep, in one look at everybody and without their facts."""
    compiled = desk.compiler.everybody([each.condition for each in definitions.segments])
    first = 2 + len(compiled.parameters)
    answers = ", ".join(f"(${first + n}::uuid, e.m{n}, e.v{n})" for n in range(len(definitions.segments)))
    sql = (
        "INSERT INTO segment_memberships (customer_id, segment_id, is_member, since, valid_until) "
        "SELECT e.customer_id, a.segment_id, a.is_member, $1, NULLIF(a.valid_until, 'infinity') "
        f"FROM ({compiled.sql}) AS e CROSS JOIN LATERAL (VALUES {answers}) AS a (segment_id, is_member, valid_until) "
        "WHERE a.is_member OR a.valid_until < 'infinity'"
    )
    await by_hand(desk, sql, NOW, *compiled.parameters, *(each.segment_id for each in definitions.segments))


LIVE_WORK_READS = (
    *("events_pkey", "events_customer_name", "events_anchor", "customers", "customers_pkey"),
    *("segment_memberships", "segment_memberships_pkey", "segment_memberships_members", "segment_memberships_due"),
)


async def _read_what_live_work_reads(desk: Desk) -> None:
    """As on a machine that has been at work for a while; a page not in memory costs a reading from disk."""
    connection = await desk.database.connect()
    await connection.execute("VACUUM (ANALYZE) segment_memberships")
    await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_prewarm")
    await connection.execute(
        "SELECT pg_prewarm(name::regclass, 'buffer') FROM unnest($1::text[]) AS name", LIVE_WORK_READS
    )
    await connection.close()


async def _write_whole_pages(desk: Desk, choice: str) -> None:
    """Whether a page that is changed for the first time since a checkpoint goes into the log whole; a checkpoint."""
    connection = await desk.database.connect()
    await connection.execute(f"ALTER SYSTEM SET full_page_writes = {choice}")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.execute("CHECKPOINT")
    await connection.close()


def _event(person: UUID, name: str, number: int) -> ResolvedEvent:
    return ResolvedEvent(
        event_id=uuid4(),
        customer_id=person,
        anchor_id=person,
        occurred_at=NOW,
        source_id="bench",
        message_id=str(number),
        kind="track",
        name=name,
        received_at=NOW,
        properties={"revenue": number % 90 + 0.5} if name == ORDER else {"path": f"/pages/{number}"},
    )


LONGEST = UUID(int=1)
FILL_LONGEST = """
INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, properties)
SELECT $1, $2::timestamptz - n * interval '5 minutes', gen_random_uuid(), $1, 'track', 'Page Viewed',
       CASE WHEN n % 1000 = 0 THEN 'bench-ours' ELSE 'bench-' || n % 5 END,
       '{"path": "/pages/1", "referrer": "https://search.example"}'
FROM generate_series(1, 100000) AS n
"""
# Each source but one changed hands a year ago: `sales` has had it since.
FILL_SOURCES = """
INSERT INTO sources (source_id, version, name, department, brand, legal_entity, purposes, is_own, changed_at,
                     valid_from, valid_until)
SELECT s.source_id, v.version, s.source_id, CASE WHEN s.source_id = 'bench-ours' THEN 'ads' ELSE v.department END,
       'b', 'b', '{}', false, $1, v.valid_from, v.valid_until
FROM unnest(ARRAY['bench-0', 'bench-1', 'bench-2', 'bench-3', 'bench-4', 'bench-ours']) AS s (source_id)
CROSS JOIN (
    VALUES (1, 'shops', '-infinity'::timestamptz, $1::timestamptz - interval '400 days'),
           (2, 'sales', $1::timestamptz - interval '400 days', 'infinity')
) AS v (version, department, valid_from, valid_until)
"""
FORGET_LONGEST = (
    f"DELETE FROM events WHERE customer_id = '{LONGEST}'; DELETE FROM sources WHERE source_id LIKE 'bench-%'"
)
SALES_HIDDEN = PolicyDocument.model_validate(
    {"rules": [{"effect": "deny", "what": {"kind": "event", "from": {"departments": ["sales"]}}}]}
)


async def _pages_of_the_longest(desk: Desk) -> tuple[list[float], list[float]]:
    """A page of 50 from a timeline of 100,000 events, which is taken away again: of all, and under a policy.

    The policy hides all but every thousandth event; the page is then of the first half, where there are 50 before it.
    """
    connection = await desk.database.connect()
    await connection.execute(FORGET_LONGEST)
    await connection.execute(FILL_LONGEST, LONGEST, NOW)
    await connection.execute(FILL_SOURCES, NOW)
    await connection.execute("VACUUM (ANALYZE) events")
    places = await connection.fetch(
        "SELECT occurred_at, event_id FROM events WHERE customer_id = $1 AND occurred_at > $2 "
        "ORDER BY random() LIMIT 9",
        LONGEST,
        NOW - timedelta(days=170),
    )
    keeper = PolicyKeeper(desk.settings.purchase_event, desk.settings.revenue_property)

    async def page(place: Any, policy: PolicyDocument) -> None:  # an asyncpg record
        async with desk.database.transaction() as session:
            session.info["sight"] = await keeper.sight(session, policy, Caller())
            pages = await reading.get_timelines(session, [LONGEST], first=50, before=(place[0], place[1]))
            assert len(pages[0].events) == 50

    taken: list[tuple[float, float]] = []
    for place in places:
        whole = await seconds(lambda place=place: page(place, EVERYBODY_READS_ALL))  # type: ignore[misc]  # a default binds it
        taken.append((whole, await seconds(lambda place=place: page(place, SALES_HIDDEN))))  # type: ignore[misc]  # the same
    await connection.execute(FORGET_LONGEST)
    await connection.close()
    return [whole for whole, _ in taken], [hidden for _, hidden in taken]
