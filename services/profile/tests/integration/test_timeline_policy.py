"""Timelines under a policy by department: the same as by the plain way, and as cheap however much is hidden."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from services.profile.tests.integration.conftest import START
from services.profile.tests.profile_facts import event
from services.profile.tests.recording import Desk
from sqlalchemy.ext.asyncio import AsyncSession

from contracts.identity import ResolvedEvent
from profile_service.repository.sources import SourceVersion, record_versions
from profile_service.rules.policy import Caller, Origin, PolicyDocument, Thing, View
from profile_service.service import reading
from profile_service.service.policy import PolicyKeeper
from servicekit.database import raw

PEOPLE = [UUID(int=number) for number in range(1, 6)]
NAMES = ("Page Viewed", "Order Completed", "Remark Made")
DEPARTMENTS = ("sales", "service", "ads")
CALLER = Caller(department="ads")
FILL = """
INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, properties)
SELECT CASE WHEN n <= 20000 THEN $1 ELSE gen_random_uuid() END, $2::timestamptz - n * interval '1 minute',
       gen_random_uuid(), $1, 'page', 'Page Viewed', CASE WHEN n % 1000 = 0 THEN 'campaigns' ELSE 'shop' END, '{}'
FROM generate_series(1, 40000) AS n
"""


def rule(effect: str, **what: Any) -> dict[str, Any]:
    """A rule for everybody."""
    return {"effect": effect, "what": {"kind": "event", **what}}


POLICIES: dict[str, dict[str, Any]] = {
    "one department hidden": {"rules": [rule("deny", **{"from": {"departments": ["sales"]}})]},
    "only one department shown": {"default": "deny", "rules": [rule("allow", **{"from": {"departments": ["s*"]}})]},
    "department and brand": {"rules": [rule("deny", **{"from": {"departments": ["ads", "sales"], "brands": ["b"]}})]},
    "by name, then by department": {
        "rules": [
            rule("allow", names=["Order *"]),
            {"effect": "deny", "what": {"kind": "remark", "from": {"departments": ["service"]}}},
            rule("deny", **{"from": {"legal_entities": ["sales K.K."]}}),
        ]
    },
    "only what nobody told of": {"rules": [rule("deny", **{"from": {"departments": ["*"]}})]},
}


@dataclass
class World:
    """What happened, as a plain list."""

    events: list[ResolvedEvent]
    versions: list[SourceVersion] = field(default_factory=list)

    def origin(self, source_id: str, moment: datetime) -> Origin:
        """Whose the source was: the first version holds for the time before it, too."""
        known = sorted((each for each in self.versions if each.source_id == source_id), key=lambda each: each.version)
        begun = [each for place, each in enumerate(known) if not place or each.changed_at <= moment]
        return Origin(begun[-1].department, begun[-1].brand, begun[-1].legal_entity) if begun else Origin()

    def visible(self, view: View, customer_id: UUID) -> list[UUID]:
        """The plain way: every event is asked about, newest first."""
        mine = sorted(
            (each for each in self.events if each.customer_id == customer_id),
            key=lambda each: (each.occurred_at, each.event_id),
            reverse=True,
        )
        things = [
            (Thing("event", each.name, origin=self.origin(each.source_id, each.occurred_at)), each) for each in mine
        ]
        return [each.event_id for thing, each in things if view.decide(thing).effect == "allow"]


def random_world(chance: random.Random) -> World:
    """Sources that change hands, some unknown; events of few moments, so that many share one."""
    versions = []
    for source_id in ("shop", "app", "calls", "till"):
        began = START - timedelta(hours=80)
        for version in range(1, chance.choice([1, 1, 3, 5]) + 1):
            department = chance.choice(DEPARTMENTS)
            versions.append(
                SourceVersion(
                    source_id, version, source_id, department, chance.choice("ab"), f"{department} K.K.", (), began
                )
            )
            began += timedelta(hours=chance.choice([0, 5, 20]))
    events = [
        event(
            chance.choice(PEOPLE[:-1]),  # the last one has none
            chance.choice(NAMES),
            START - timedelta(hours=chance.randrange(100)),
            source_id=chance.choice(["shop", "app", "calls", "till", "unknown", "kizuna-delivery"]),
        )
        for _ in range(600)
    ]
    return World(events, versions)


async def look(session: AsyncSession, policy: dict[str, Any]) -> None:
    """Read as the caller does, in this transaction."""
    keeper = PolicyKeeper("Order Completed", "revenue")
    session.info["sight"] = await keeper.sight(session, PolicyDocument.model_validate(policy), CALLER)


async def walked(session: AsyncSession, customer_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """Each customer's whole timeline, page by page; the count is that of all pages."""
    found: dict[UUID, list[UUID]] = {}
    for customer_id in customer_ids:
        seen, before, counts = list[UUID](), None, set[int]()
        while True:
            [page] = await reading.get_timelines(session, [customer_id], first=7, before=before)
            seen += [each.event_id for each in page.events]
            counts.add(page.total_count)
            if not page.has_more:
                break
            before = (page.events[-1].occurred_at, page.events[-1].event_id)
        assert counts == {len(seen)}
        found[customer_id] = seen
    return found


@pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES.keys())
async def test_pages_are_those_of_the_plain_way(a_desk: Desk, policy: dict[str, Any]) -> None:
    chance = random.Random(str(policy))
    world = random_world(chance)
    await a_desk.record(world.events)
    late = chance.sample(world.versions, len(world.versions))
    for part in (late[:5], late[5:]):  # told in whatever order
        async with a_desk.database.transaction() as session:
            await record_versions(session, part)
    view = View(PolicyDocument.model_validate(policy), CALLER)
    expected = {customer_id: world.visible(view, customer_id) for customer_id in PEOPLE}
    assert 0 < sum(map(len, expected.values())) < len(world.events)
    async with a_desk.database.transaction() as session:
        await look(session, policy)
        assert await walked(session, PEOPLE) == expected
        pages = await reading.get_timelines(session, [*PEOPLE, PEOPLE[0]], first=5, before=None)
    assert [[each.event_id for each in page.events] for page in pages] == [
        expected[customer_id][:5] for customer_id in (*PEOPLE, PEOPLE[0])
    ]


async def test_a_page_of_a_timeline_that_is_nearly_all_hidden_goes_over_the_covering_index_once(a_desk: Desk) -> None:
    sold = [("shop", "sales"), ("campaigns", "ads")]
    versions = [SourceVersion(each, 1, each, owner, "b", f"{owner} K.K.", (), START) for each, owner in sold]
    async with a_desk.database.transaction() as session:
        await record_versions(session, versions)
    connection = await a_desk.database.connect()
    await connection.execute(FILL, PEOPLE[0], START)
    await connection.execute("VACUUM (ANALYZE) events")
    await connection.close()
    before = (START - timedelta(minutes=10_000), UUID(int=0))
    asked: list[Any] = []  # asyncpg's records of what it ran
    async with a_desk.database.transaction() as session:
        await look(session, POLICIES["one department hidden"])
        with (await raw(session)).query_logger(asked.append):
            [page] = await reading.get_timelines(session, PEOPLE[:1], first=5, before=before)
        await asyncio.sleep(0)  # the records come in the loop's next turn
        [only] = [each for each in asked if "looked_at" in each.query]
        rows = await (await raw(session)).fetch(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF) {only.query}", *only.args)
        plan = "\n".join(row[0] for row in rows)
    assert [each.occurred_at for each in page.events] == [
        START - timedelta(minutes=minutes) for minutes in range(11_000, 16_000, 1000)
    ]
    assert page.total_count == 20
    assert plan.count("Index Only Scan using events_customer_name") == 1, plan
    assert plan.count("Rows Removed by Filter: 19980") == 1, plan
    assert plan.count("Index Scan Backward using events_pkey") == 1, plan
    assert "Rows Removed" not in plan.split("events_pkey on events")[1].split("SubPlan")[0], (
        "rows are read by their key"
    )
