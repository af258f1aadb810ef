"""Several resolvers on one event log and one database: they meet at the same customers, and lose and double nothing."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from random import Random
from typing import Any
from uuid import UUID

import pytest

from contracts.identity import AnchorMoved, IdentifierLinked, ResolvedEvent
from identity_service.app import build
from identity_service.repository import messages
from identity_service.repository import resolution as repository
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.database import Database
from servicekit.testing import Environment, RunningService, running

RESOLVERS = 3
Name = tuple[str, str]


class Attempts:
    """How often batches were begun, and how often that was once more."""

    def __init__(self) -> None:
        self.begun = 0
        self.saved = 0


@pytest.fixture
def attempts(monkeypatch: pytest.MonkeyPatch) -> Attempts:
    """Counts what the resolvers do."""
    counted, load_rules, save_messages = Attempts(), repository.load_rules, messages.save_messages

    async def begin(*arguments: Any) -> Any:
        counted.begun += 1
        return await load_rules(*arguments)

    async def save(*arguments: Any, **more: Any) -> None:
        await save_messages(*arguments, **more)
        counted.saved += 1

    monkeypatch.setattr(repository, "load_rules", begin)
    monkeypatch.setattr(messages, "save_messages", save)
    return counted


@pytest.fixture
async def resolvers(
    environment: Environment, clock: FrozenClock, front_door: RunningService
) -> AsyncIterator[AsyncExitStack]:
    """Lets resolvers start beside the front door."""
    async with AsyncExitStack() as stack:
        yield stack


async def resolve_by_several(
    stack: AsyncExitStack, environment: Environment, clock: FrozenClock, front_door: RunningService
) -> None:
    """Start the resolvers at once on what lies in the event log, and wait until all of it is done."""
    for _ in range(RESOLVERS):
        service = running(
            build, Settings, environment, clock=clock, database_url=front_door.database.url, resolver_batch_events=40
        )
        await stack.enter_async_context(service)
    await front_door.drain(120)


def event(number: int, *names: Name) -> dict[str, Any]:
    return {
        "type": "track",
        "event": "Seen",
        "messageId": f"m{number}",
        "context": {"externalIds": [{"type": namespace, "id": value} for namespace, value in names]},
    }


def random_events(seed: int, *, events: int, people: int) -> list[list[Name]]:
    """Events that name one to three of a few people's ids, and now and then one of each of two people: merges."""
    random = Random(seed)

    def name(person: int) -> Name:
        return random.choice([("card", f"c{person}"), ("line", f"l{person}"), ("tel", f"t{person}")])

    stream = []
    for _ in range(events):
        person = random.randrange(people)
        names = {name(person) for _ in range(random.randint(1, 3))}
        if random.random() < 0.02:
            names.add(name(random.randrange(people)))
        stream.append(sorted(names))
    return stream


def components(stream: list[list[Name]]) -> set[frozenset[Name]]:
    """Who belongs together, by union-find: without limits no order can give anything else."""
    parents: dict[Name, Name] = {}

    def root(name: Name) -> Name:
        while parents.setdefault(name, name) != name:
            name = parents[name]
        return name

    for names in stream:
        for other in names:
            parents[root(other)] = root(names[0])
    together: defaultdict[Name, set[Name]] = defaultdict(set)
    for name in parents:
        together[root(name)].add(name)
    return {frozenset(members) for members in together.values()}


async def customers_as_stored(database: Database) -> dict[UUID, frozenset[Name]]:
    connection = await database.connect()
    try:
        rows = await connection.fetch("SELECT customer_id, namespace, value FROM identifiers")
        stored = {row["customer_id"] for row in await connection.fetch("SELECT customer_id FROM customers")}
    finally:
        await connection.close()
    held: defaultdict[UUID, set[Name]] = defaultdict(set)
    for customer_id, namespace, value in rows:
        held[customer_id].add((namespace, value))
    assert held.keys() == stored
    return {customer_id: frozenset(names) for customer_id, names in held.items()}


async def allow_many_values(service: RunningService, *namespaces: str) -> None:
    for name in namespaces:
        answer = await service.client.put(
            f"/v1/namespaces/{name}", json={"limit": 1000, "priority": 9}, headers=service.headers()
        )
        assert answer.is_success, answer.text


@pytest.mark.parametrize("seed", [1, 2])
async def test_no_link_is_lost_and_every_event_is_resolved_once(
    environment: Environment,
    clock: FrozenClock,
    front_door: RunningService,
    kiosk: Any,
    resolvers: AsyncExitStack,
    attempts: Attempts,
    seed: int,
) -> None:
    await allow_many_values(front_door, "card", "line", "tel")
    stream = random_events(seed, events=4000, people=120)
    for start in range(0, len(stream), 20):
        await kiosk.send(*(event(start + n, *names) for n, names in enumerate(stream[start : start + 20])))
    await resolve_by_several(resolvers, environment, clock, front_door)

    assert attempts.begun > attempts.saved, "the resolvers never met: this test shows nothing"
    customers = await customers_as_stored(front_door.database)
    assert Counter(customers.values()) == Counter(components(stream))

    resolved = await front_door.published(ResolvedEvent)
    places: defaultdict[UUID, set[UUID]] = defaultdict(set)
    for one in resolved:
        places[one.event_id].add(one.anchor_id)
    assert len(places) == 4000 and {len(anchors) for anchors in places.values()} == {1}
    linked = {one.anchor_id: (1, one.customer_id) for one in await front_door.published(IdentifierLinked)}
    moves = await front_door.published(AnchorMoved)
    assert len({(move.anchor_id, move.version) for move in moves}) == len(moves)
    for move in moves:
        linked[move.anchor_id] = max(linked[move.anchor_id], (move.version, move.customer_id))
    connection = await front_door.database.connect()
    rows = await connection.fetch("SELECT anchor_id, version, customer_id FROM identifiers")
    assert {row["anchor_id"]: (row["version"], row["customer_id"]) for row in rows} == linked
    decided = await connection.fetchval(
        "SELECT count(*) FROM moves JOIN decisions USING (decision_id) WHERE moves.customer_id = decisions.customer_id"
    )
    assert decided == len(moves) > 0
    former = await connection.fetch(
        "SELECT former.current_customer_id, identifiers.customer_id FROM former_customers AS former "
        "LEFT JOIN identifiers USING (anchor_id)"
    )
    assert former and all(row["current_customer_id"] == row["customer_id"] for row in former)
    await connection.close()


async def test_the_same_message_in_two_requests_is_taken_once(
    environment: Environment,
    clock: FrozenClock,
    front_door: RunningService,
    kiosk: Any,
    resolvers: AsyncExitStack,
    attempts: Attempts,
) -> None:
    for start in range(0, 800, 20):
        events = [event(number, ("card", f"c{number % 7}")) for number in range(start, start + 20)]
        await asyncio.gather(*(kiosk.send(*events) for _ in range(RESOLVERS)))
    await resolve_by_several(resolvers, environment, clock, front_door)
    resolved = [one.message_id for one in await front_door.published(ResolvedEvent)]
    assert set(resolved) == {f"m{number}" for number in range(800)}
    connection = await front_door.database.connect()
    totals = await connection.fetchrow("SELECT accepted, duplicates FROM ingest_totals")
    assert tuple(totals) == (800, 800 * (RESOLVERS - 1))
    assert await connection.fetchval("SELECT count(*) FROM message_ids") == 800
    await connection.close()


async def test_two_unique_ids_never_meet_however_many_resolve(
    environment: Environment,
    clock: FrozenClock,
    front_door: RunningService,
    kiosk: Any,
    resolvers: AsyncExitStack,
    attempts: Attempts,
) -> None:
    random = Random(7)
    for start in range(0, 2000, 4):
        await kiosk.send(
            *(
                {
                    "type": "identify",
                    "messageId": f"m{number}",
                    "userId": f"u{random.randrange(12)}",
                    "anonymousId": f"family-{random.randrange(6)}",
                    "traits": {"email": f"shared{random.randrange(6)}@example.jp"},
                }
                for number in range(start, start + 4)
            )
        )
    await resolve_by_several(resolvers, environment, clock, front_door)
    assert attempts.begun > attempts.saved, "the resolvers never met: this test shows nothing"
    connection = await front_door.database.connect()
    users = await connection.fetch(
        "SELECT customer_id, count(*) AS users FROM identifiers WHERE namespace = 'user_id' GROUP BY customer_id"
    )
    assert len(users) == 12 and {row["users"] for row in users} == {1}
    current = await connection.fetch(
        "SELECT value, count(*), count(*) FILTER (WHERE is_current) AS current, count(DISTINCT customer_id) AS held"
        " FROM identifiers WHERE namespace = 'anonymous_id' GROUP BY value"
    )
    assert len(current) == 6 and {row["current"] for row in current} == {1}
    assert all(row["held"] == row["count"] > 1 for row in current)
    assert await connection.fetchval("SELECT accepted FROM ingest_totals") == 2000
    await connection.close()
