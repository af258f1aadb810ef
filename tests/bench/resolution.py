"""P7: identity's resolution, durable, against union-find in memory over the same stream; several resolvers; large
bases.

The stream: requests of 100 events as the front door puts them into the event log. 30 % of the events name two
identifiers (a login on a device, an e-mail address given), the others one. Both sides read the same bytes and normalise
the same identifiers; one then only unites names in a dictionary, the other decides by limits, keeps evidence, remembers
messages, writes facts to its outbox and commits.
"""

import asyncio
import gc
import json
import multiprocessing
import random
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from multiprocessing.synchronize import Barrier
from pathlib import Path
from uuid import uuid4

import asyncpg

from identity_service.ids import TimeOrderedIds
from identity_service.rules.identifiers import Identifier, Namespaces
from identity_service.rules.tracking import identifiers_of, read_body, read_event
from identity_service.service.resolution import read_arrivals, resolve_batch
from identity_service.service.tracking import TrackingRequest
from servicekit.clock import FrozenClock, SystemClock
from servicekit.database import Database
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.migrations import migrate
from tests.bench.report import Ratio, progress

MIGRATIONS = Path(__file__).parents[2] / "services" / "identity" / "migrations"
NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
SECRET = b"the key of a benchmark, used nowhere else"
REQUEST_EVENTS = 100
BATCH_REQUESTS = 20
EVENTS = 20_000
LINKING_SHARE = 0.3
EVENTS_PER_PERSON = 8


def stream(seed: int, *, events: int = EVENTS) -> list[bytes]:
    """Bodies of requests: people who browse on their devices, log in, give their addresses."""
    chance = random.Random(seed)
    people = events // EVENTS_PER_PERSON
    return [
        json.dumps(
            {"batch": [_event(chance, seed, start + position, people) for position in range(REQUEST_EVENTS)]}
        ).encode()
        for start in range(0, events, REQUEST_EVENTS)
    ]


def _event(chance: random.Random, seed: int, number: int, people: int) -> dict[str, object]:
    person = f"{seed}-{chance.randrange(people)}"
    device = f"device-{person}-{chance.randrange(2)}"
    event: dict[str, object] = {
        "type": "track",
        "event": "Product Viewed",
        "messageId": f"{seed}-{number}",
        "originalTimestamp": "2026-11-01T00:00:00Z",
        "properties": {"product_id": f"p{number % 997}", "price": number % 50 + 0.5, "currency": "JPY"},
    }
    if chance.random() >= LINKING_SHARE:
        return event | ({"userId": f"user-{person}"} if chance.random() < 0.3 else {"anonymousId": device})
    if chance.random() < 0.7:
        return event | {"userId": f"user-{person}", "anonymousId": device}
    return event | {"userId": f"user-{person}", "context": {"traits": {"email": f"{person}@example.jp"}}}


def requests_of(bodies: Iterable[bytes]) -> list[TrackingRequest]:
    """Requests as the resolver reads them from the event log."""
    return [TrackingRequest(uuid4(), "bench", "batch", NOW, None, [], read_body(body, kind="batch")) for body in bodies]


def united_per_second(bodies: Sequence[bytes]) -> float:
    """Read the stream and unite what its events name, in memory: events per second."""
    _collect_garbage_as_services_do()
    began = time.perf_counter()
    namespaces, parents, events = Namespaces(), dict[Identifier, Identifier](), 0
    for body in bodies:
        request = read_body(body, kind="batch")
        for raw in request.events:
            event = read_event(raw)
            names = namespaces.usable(identifiers_of(event, kind=event.type or "", context=request.context))
            _unite(parents, names)
            events += 1
    return events / (time.perf_counter() - began)


def names_united_per_second(bodies: Sequence[bytes]) -> float:
    """Unite names that lie ready in a list: what nothing that reads events can reach."""
    stream_of_names = [
        identifiers_of(event, kind=event.type or "", context=None)
        for body in bodies
        for event in map(read_event, read_body(body, kind="batch").events)
    ]
    began = time.perf_counter()
    parents: dict[Identifier, Identifier] = {}
    for names in stream_of_names:
        _unite(parents, names)
    return len(stream_of_names) / (time.perf_counter() - began)


def _collect_garbage_as_services_do() -> None:
    gc.freeze()
    gc.set_threshold(25_000, 25, 25)


def _unite(parents: dict[Identifier, Identifier], names: Sequence[Identifier]) -> None:
    first = _root(parents, names[0])
    for name in names[1:]:
        other = _root(parents, name)
        if other is not first:
            parents[other] = first


def _root(parents: dict[Identifier, Identifier], name: Identifier) -> Identifier:
    parent = parents.setdefault(name, name)
    while parent is not name:
        grandparent = parents[parent]
        parents[name] = grandparent
        name, parent = parent, grandparent
    return name


@dataclass
class Resolvers:
    """Resolves streams into one database."""

    database: Database
    clock: FrozenClock
    new_id: TimeOrderedIds

    @classmethod
    def on(cls, url: str) -> "Resolvers":
        """On the database at `url`."""
        return cls(Database(url), FrozenClock(NOW), TimeOrderedIds(lambda: int(SystemClock().now().timestamp() * 1000)))

    async def resolve(self, requests: Sequence[TrackingRequest]) -> None:
        """Resolve requests as one batch."""
        await resolve_batch(
            self.database,
            read_arrivals(requests),
            clock=self.clock,
            new_id=self.new_id,
            partitions=16,
            secret=SECRET,
        )

    async def resolve_all(self, bodies: Iterable[bytes], *, batch_requests: int = BATCH_REQUESTS) -> list[float]:
        """Resolve a stream in batches; return the seconds of each."""
        seconds: list[float] = []
        remaining = iter(bodies)
        while part := list(islice(remaining, batch_requests)):
            began = time.perf_counter()
            await self.resolve(requests_of(part))
            seconds.append(time.perf_counter() - began)
        return seconds


async def _resolve_all(url: str, bodies: Sequence[bytes]) -> float:
    _collect_garbage_as_services_do()
    resolvers = Resolvers.on(url)
    await resolvers.resolve(requests_of([b'{"batch": []}']))  # connects
    began = time.perf_counter()
    await resolvers.resolve_all(bodies)
    rate = len(bodies) * REQUEST_EVENTS / (time.perf_counter() - began)
    await resolvers.database.close()
    return rate


@contextmanager
def server() -> Iterator[EmbeddedPostgres]:
    """A durable PostgreSQL of its own."""
    with tempfile.TemporaryDirectory(prefix="kizuna-") as directory:
        Path(directory).chmod(0o755)
        with EmbeddedPostgres(Path(directory) / "postgres") as postgres:
            yield postgres


def make_database(postgres: EmbeddedPostgres, name: str) -> str:
    """An empty database with identity's tables and the bench's source."""

    async def create() -> None:
        administrator = await asyncpg.connect(postgres.url())
        await administrator.execute(f"CREATE DATABASE {name}")
        await administrator.close()

    async def fill() -> None:
        connection = await asyncpg.connect(postgres.url(name))
        await connection.execute(
            "INSERT INTO sources (source_id, name, department, brand, legal_entity, purposes, key_hash, version, "
            "created_at, updated_at) VALUES ('bench', 'Bench', 'crm', 'kizuna', 'Kizuna', '{crm}', 'x', 1, $1, $1)",
            NOW,
        )
        await connection.close()

    asyncio.run(create())
    migrate(postgres.url(name), MIGRATIONS)
    asyncio.run(fill())
    return postgres.url(name)


def measure() -> list[Ratio]:
    """P7 in five pairs, each with people never seen before, in one growing database."""
    against = "union-find in memory over the same requests"
    ratio = Ratio("P7", "identity resolution, 30 % linking, durable", against, 0.05, "events/s")
    bare = Ratio("P7", ratio.what, "union-find over a list of names", None, "events/s")
    with server() as postgres:
        url = make_database(postgres, "bench")
        asyncio.run(_resolve_all(url, stream(99)))
        seeds = iter(range(100, 200))
        streams = [stream(next(seeds)) for _ in range(5)]
        turns, against_turns = iter(streams), iter(streams)
        ratio.measure(
            lambda: asyncio.run(_resolve_all(url, next(turns))), lambda: united_per_second(next(against_turns))
        )
    bare.ours = ratio.ours
    bare.limit = [names_united_per_second(bodies) for bodies in streams]
    return [ratio, bare]


def _work(url: str, bodies: Sequence[bytes], ready: Barrier) -> None:
    ready.wait()
    asyncio.run(_resolve_all(url, bodies))


def _seconds_of(url: str, parts: Sequence[Sequence[bytes]]) -> float:
    """Seconds until as many processes as there are parts have resolved theirs."""
    context = multiprocessing.get_context("spawn")
    ready = context.Barrier(len(parts) + 1)
    workers = [context.Process(target=_work, args=(url, part, ready)) for part in parts]
    for worker in workers:
        worker.start()
    ready.wait()
    began = time.perf_counter()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    return time.perf_counter() - began


def measure_resolvers(*, customers: int = 100_000) -> list[Ratio]:
    """Two resolver processes against one, sharing a stream request by request.

    Once as in life, on a base of customers that come now and then; once on few people who are all new and come all the
    time, so that the two meet in every batch.
    """
    life = Ratio("P7x2", f"two resolver processes, {customers:,} customers", "one", None, "events/s")
    busy = Ratio(
        "P7x2", f"two resolver processes, {EVENTS // EVENTS_PER_PERSON:,} busy people", "one", None, "events/s"
    )
    with server() as postgres:
        seeds = iter(range(200, 300))
        base, empty = make_base(postgres, "base", customers), make_database(postgres, "bench")

        def visiting() -> list[bytes]:
            chance, batch = random.Random(next(seeds)), next(seeds)
            return [body for part in range(EVENTS // 500) for body in visits(chance, customers, batch * 1000 + part)]

        for ratio, url, make in ((life, base, visiting), (busy, empty, lambda: stream(next(seeds)))):
            _rate_of(url, [make()])
            ratio.measure(lambda: _rate_of(url, _dealt(make())), lambda: _rate_of(url, [make()]), pairs=5)  # noqa: B023
    return [life, busy]


def _dealt(bodies: Sequence[bytes]) -> list[Sequence[bytes]]:
    return [bodies[::2], bodies[1::2]]


def _rate_of(url: str, parts: Sequence[Sequence[bytes]]) -> float:
    return EVENTS / _seconds_of(url, parts)


FILL_CUSTOMERS = """
INSERT INTO customers (customer_id, created_at)
SELECT lpad(to_hex(number), 32, '0')::uuid, $2 FROM generate_series(1, $1::integer) AS number
"""
FILL_IDENTIFIERS = """
INSERT INTO identifiers (
    anchor_id, namespace, value, customer_id, version, source_id, sources, event_id, rule, linked_at
)
SELECT lpad(to_hex(number * 4 + kind), 32, '0')::uuid, (ARRAY['user_id', 'email', 'anonymous_id'])[kind],
    (ARRAY['user-' || number, 'mail-' || number || '@example.jp', 'device-' || number])[kind],
    lpad(to_hex(number), 32, '0')::uuid, 1, 'bench', '{bench}', gen_random_uuid(), 'same_event', $2
FROM generate_series(1, $1::integer) AS number, generate_series(1, 3) AS kind
ORDER BY hashint8(number * 4 + kind)
"""
INDEXES = (
    "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = 'identifiers' AND indexname <> 'identifiers_pkey'"
)


def make_base(postgres: EmbeddedPostgres, name: str, customers: int) -> str:
    """A database with customers of three identifiers each, whose rows lie scattered as if they had come over years."""

    async def fill(url: str) -> None:
        connection = await asyncpg.connect(url)
        indexes = await connection.fetch(INDEXES)
        for index in indexes:
            await connection.execute(f"DROP INDEX {index['indexname']}")
        await connection.execute(FILL_CUSTOMERS, customers, NOW)
        await connection.execute(FILL_IDENTIFIERS, customers, NOW)
        for index in indexes:
            await connection.execute(index["indexdef"])
        await connection.execute("VACUUM (ANALYZE) customers, identifiers")
        await connection.execute("CHECKPOINT")
        await connection.close()

    url = make_database(postgres, name)
    asyncio.run(fill(url))
    return url


def visits(chance: random.Random, customers: int, batch: int) -> list[bytes]:
    """500 events of customers of a base, in five requests: 30 % name two identifiers, a sixth of these a new one."""

    def event(number: int) -> dict[str, object]:
        person = chance.randrange(1, customers + 1)
        one: dict[str, object] = {"type": "track", "event": "Product Viewed", "messageId": f"{batch}-{number}"}
        if chance.random() >= LINKING_SHARE:
            return one | (
                {"userId": f"user-{person}"} if chance.random() < 0.5 else {"anonymousId": f"device-{person}"}
            )
        device = f"device-{person}" if chance.random() < 5 / 6 else f"device-{person}-{batch}"
        return one | {"userId": f"user-{person}", "anonymousId": device, "properties": {"price": number}}

    return [
        json.dumps({"batch": [event(start + n) for n in range(REQUEST_EVENTS)]}).encode()
        for start in range(0, 500, 100)
    ]


def measure_large(*, large: int = 1_000_000, small: int = 10_000, batches: int = 60) -> str:
    """P95 of a 500-event batch at a million customers and three million identifiers, against ten thousand customers."""
    with server() as postgres:
        urls = [make_base(postgres, name, customers) for name, customers in (("small", small), ("large", large))]
        progress(f"P7-large: {large:,} customers are there")
        seconds = asyncio.run(_compare_bases(urls, (small, large), batches))
    of_small, of_large = (statistics.quantiles(one, n=20)[-1] for one in seconds)
    verdict = "met" if of_large <= 3 * of_small else "NOT met"
    return (
        f"P7-large {of_large / of_small:.2f}x  p95 of a batch of 500 events at {large:,} customers and {3 * large:,} "
        f"identifiers: {of_large * 1000:.0f} ms (median {statistics.median(seconds[1]) * 1000:.0f}); at {small:,}: "
        f"{of_small * 1000:.0f} ms (median {statistics.median(seconds[0]) * 1000:.0f})  target <= 3x: {verdict}"
    )


async def _compare_bases(urls: Sequence[str], customers: Sequence[int], batches: int) -> list[list[float]]:
    """Seconds of every batch on each base, in turns; the first tenth warms up."""
    _collect_garbage_as_services_do()
    resolvers, chance = [Resolvers.on(url) for url in urls], random.Random(7)
    seconds: list[list[float]] = [[] for _ in urls]
    for batch in range(batches + batches // 10):
        for number, one in enumerate(resolvers):
            took = await one.resolve_all(visits(chance, customers[number], batch))
            if batch >= batches // 10:
                seconds[number] += took
    for one in resolvers:
        await one.database.close()
    return seconds
