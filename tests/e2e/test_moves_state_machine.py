"""Merge, split, undo, merge again, in any order, while events come late and twice: the view is always that of a base
that never saw any of it and held the same anchors (promise R3), segments included.

Identity and profile run in this process on the real PostgreSQL and NATS and hear of each other over the real streams.
The base that was never merged is another profile database, told every event once, with the customer it belongs to now.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, TypeVar
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from services.profile.tests.recording import Desk, desk

from contracts.identity import ResolvedEvent
from identity_service.app import build as build_identity
from identity_service.settings import Settings as IdentitySettings
from profile_service.app import build as build_profile
from profile_service.settings import Settings as ProfileSettings
from servicekit.clock import FrozenClock
from servicekit.database import raw
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.testing import Environment, RunningService, running

Result = TypeVar("Result")

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
ORDERS = {"kind": "event_count", "event": "Order Completed"}
SEGMENTS: dict[str, dict[str, Any]] = {
    "two-orders": ORDERS | {"comparison": "ge", "value": 2},
    "one-order": ORDERS | {"comparison": "eq", "value": 1},  # entered and left as orders come together
    "no-order": ORDERS | {"comparison": "eq", "value": 0},
    "spent": {
        "kind": "event_sum", "event": "Order Completed", "property": "revenue", "comparison": "ge", "value": 25,
        "window": {"days": 30},
    },
    "in-tokyo": {"kind": "trait", "trait": "city", "comparison": "eq", "value": "Tokyo"},
}  # fmt: skip
RANKS = [("silver", ORDERS | {"comparison": "ge", "value": 1}), ("gold", SEGMENTS["spent"])]

VIEWS = {
    "events": "SELECT * FROM events WHERE customer_id = ANY($1::uuid[]) ORDER BY event_id",
    "observations": "SELECT * FROM trait_observations WHERE customer_id = ANY($1::uuid[]) ORDER BY event_id, name",
    "traits": "SELECT * FROM traits WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id, name",
    "customers": "SELECT * FROM customers WHERE customer_id = ANY($1::uuid[]) ORDER BY customer_id",
    "members": "SELECT customer_id, key FROM segment_memberships JOIN segments USING (segment_id) "
    "WHERE customer_id = ANY($1::uuid[]) AND is_member ORDER BY customer_id, key",
    "ranks": "SELECT customer_id, rank_key FROM customer_ranks "
    "WHERE customer_id = ANY($1::uuid[]) AND rank_key IS NOT NULL ORDER BY customer_id",
}
FORGET_ALL = "TRUNCATE events, trait_observations, traits, customers, segment_memberships, customer_ranks"

View = dict[str, list[tuple[Any, ...]]]
"""By name, the rows of profile that speak of some customers."""


@dataclass
class TwoBases:
    """Identity and profile at work, and the base that was never merged."""

    identity: RunningService
    profile: RunningService
    never_merged: Desk
    write_key: str = ""
    is_settled: bool = True
    """Whether identity has resolved all that was sent."""
    read_until: int = 0
    resolved: dict[UUID, ResolvedEvent] = field(default_factory=dict)

    async def set_up(self) -> None:
        """One source; the same segments and ranks in both bases."""
        body = {"name": "Shop", "department": "sales", "brand": "kizuna", "legal_entity": "Kizuna", "purposes": ["crm"]}
        answer = await self.identity.client.put("/v1/sources/shop", json=body, headers=self.identity.headers())
        self.write_key = answer.json()["write_key"]
        for key, condition in SEGMENTS.items():
            put = await self.profile.client.put(
                f"/v1/segments/{key}", json={"name": key, "condition": condition}, headers=self.profile.headers()
            )
            assert put.status_code == 201, put.text
            await self.profile.client.post(f"/v1/segments/{key}:publish", headers=self.profile.headers())
            await self.never_merged.publish_segment(key, condition)
        ranks = {"ranks": [{"key": key, "name": key, "condition": condition} for key, condition in RANKS]}
        put = await self.profile.client.put("/v1/ranks/default", json=ranks, headers=self.profile.headers())
        assert put.status_code == 201, put.text
        await self.never_merged.put_ranks(RANKS)

    async def send(self, events: list[dict[str, Any]]) -> None:
        """A source sends a batch."""
        answer = await self.identity.client.post("/v1/batch", json={"batch": events}, auth=(self.write_key, ""))
        assert answer.status_code == 200, answer.text
        assert answer.json()["rejected"] == []
        self.is_settled = False

    async def decide(self, path: str, body: dict[str, Any], *, refused: int = 409) -> UUID | None:
        """Merge, split or undo; the decision's id, None when it is refused because nothing could be done."""
        headers = self.identity.headers("identity:read", "identity:decide")
        answer = await self.identity.client.post(path, json=body | {"why": "it is so"}, headers=headers)
        if answer.status_code == refused:
            return None
        assert answer.status_code == 201, answer.text
        return UUID(answer.json()["decision_id"])

    async def anchors(self, tag: str) -> dict[UUID, UUID]:
        """Which customer holds which anchor, of those whose values begin with the tag, by identity."""
        await self.identity.drain()
        connection = await self.identity.database.connect()
        try:
            rows = await connection.fetch(
                "SELECT anchor_id, customer_id FROM identifiers WHERE starts_with(value, $1) ORDER BY value, anchor_id",
                tag,
            )
        finally:
            await connection.close()
        return {row["anchor_id"]: row["customer_id"] for row in rows}

    async def view(self, customer_ids: set[UUID]) -> View:
        """What profile holds of these customers, everything having arrived."""
        await self.identity.drain()
        await self.profile.drain()
        async with self.profile.database.transaction() as session:
            connection = await raw(session)
            return {
                name: [tuple(row) for row in await connection.fetch(sql, list(customer_ids))]
                for name, sql in VIEWS.items()
            }

    async def view_never_merged(self, tag: str, customer_ids: set[UUID]) -> View:
        """The same of the base that heard each event once, of the customer who holds its anchor now."""
        anchors = await self.anchors(tag)
        await self._read_resolved()
        facts = [
            fact.model_copy(update={"customer_id": anchors[fact.anchor_id]})
            for fact in self.resolved.values()
            if fact.message_id.startswith(tag)
        ]
        await self.never_merged.fetch(FORGET_ALL)
        if facts:
            await self.never_merged.record(facts)
        return {
            name: [tuple(row) for row in await self.never_merged.fetch(sql, customer_ids)]
            for name, sql in VIEWS.items()
        }

    async def heard_of(self, tag: str) -> set[UUID]:
        """Whom identity ever spoke of."""
        await self._read_resolved()
        return {fact.customer_id for fact in self.resolved.values() if fact.message_id.startswith(tag)}

    async def _read_resolved(self) -> None:
        jetstream = self.identity.nats.jetstream
        last = (await jetstream.stream_info("identity")).state.last_seq
        for sequence in range(self.read_until + 1, last + 1):
            message = await jetstream.get_msg("identity", sequence)
            if (message.headers or {}).get("ce-type") == ResolvedEvent.fact_type:
                for item in json.loads(message.data or b"{}")["facts"]:
                    fact = ResolvedEvent.model_validate(item)
                    self.resolved.setdefault(fact.event_id, fact)
        self.read_until = last


@pytest.fixture
async def bases(environment: Environment, postgres: EmbeddedPostgres) -> AsyncIterator[TwoBases]:
    """Both bases, running."""
    clock = FrozenClock(NOW)
    async with (
        running(build_identity, IdentitySettings, environment, clock=clock) as identity,
        running(build_profile, ProfileSettings, environment, clock=clock) as profile,
        desk(postgres, start=NOW) as never_merged,
    ):
        both = TwoBases(identity, profile, never_merged)
        await both.set_up()
        yield both


NUMBERS = st.integers(0, 3)
DRAW = st.integers(0, 2**16)
"""Chooses among what there is when the rule runs."""


class Moves(RuleBasedStateMachine):
    """Some people, wrongly and rightly taken for one another. Acts on the bases from another thread than theirs."""

    bases: ClassVar[TwoBases]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def run(self, action: Coroutine[Any, Any, Result]) -> Result:
        """Have the bases' own loop do something."""
        return asyncio.run_coroutine_threadsafe(action, self.loop).result(60)

    @initialize()
    def begin(self) -> None:
        self.tag = f"x{uuid4().hex[:10]}-"
        self.sent: list[dict[str, Any]] = []
        self.held: list[dict[str, Any]] = []
        self.decisions: list[UUID] = []
        self.customers: set[UUID] = set()
        """Everybody who ever was."""
        self.has_failed = False
        for number, city in enumerate(["Tokyo", "Osaka", "Tokyo"]):
            self._observe({"type": "identify", "traits": {"city": city}}, day=number, user=number, cookie=number)
            event = {"type": "track", "event": "Order Completed", "properties": {"revenue": 12, "currency": "USD"}}
            self._observe(event, day=20 * number, user=number, cookie=None)
        self.send_in_any_order(_Unshuffled())

    def _observe(self, event: dict[str, Any], *, day: int, user: int | None, cookie: int | None) -> None:
        identifiers = {"userId": user, "anonymousId": cookie}
        event |= {name: f"{self.tag}{name}{number}" for name, number in identifiers.items() if number is not None}
        event |= {"messageId": f"{self.tag}{len(self.sent)}", "timestamp": (NOW - timedelta(days=day)).isoformat()}
        self.sent.append(event)
        self.held.append(event)

    @rule(day=st.integers(0, 40), user=NUMBERS, cookie=st.none() | NUMBERS, city=st.sampled_from(["Tokyo", "Osaka"]))
    def identify(self, day: int, user: int, cookie: int | None, city: str) -> None:
        self._observe({"type": "identify", "traits": {"city": city}}, day=day, user=user, cookie=cookie)

    @rule(day=st.integers(0, 40), who=st.tuples(st.none() | NUMBERS, NUMBERS), revenue=st.integers(1, 20))
    def purchase(self, day: int, who: tuple[int | None, int], revenue: int) -> None:
        properties = {"revenue": revenue, "currency": "USD"}
        event = {"type": "track", "event": "Order Completed", "properties": properties}
        user, other = who
        self._observe(event, day=day, user=user, cookie=other if user is None else None)

    @rule(draw=DRAW)
    def repeat(self, draw: int) -> None:
        if self.sent:
            self.held.append(self.sent[draw % len(self.sent)])

    @rule(random=st.randoms(use_true_random=False))
    def send_in_any_order(self, random: Any) -> None:
        random.shuffle(self.held)
        if self.held:
            self.run(self.bases.send(self.held))
        self.held = []

    @rule(draws=st.tuples(DRAW, DRAW))
    def merge(self, draws: tuple[int, int]) -> None:
        holders = list(dict.fromkeys(self._anchors().values()))
        pair = [holders[draw % len(holders)] for draw in draws] if holders else []
        if len(set(pair)) == 2:
            self._remember(
                self.run(self.bases.decide("/v1/customers:merge", {"customer_ids": [str(each) for each in pair]}))
            )

    @rule(draw=DRAW, mask=DRAW)
    def split(self, draw: int, mask: int) -> None:
        anchors = self._anchors()
        divisible = [one for one, held in Counter(anchors.values()).items() if held > 1]
        if divisible:
            customer = divisible[draw % len(divisible)]
            own = [anchor for anchor, holder in anchors.items() if holder == customer]
            mask = mask % (2 ** len(own) - 2) + 1  # neither nothing nor everything
            going = [str(anchor) for number, anchor in enumerate(own) if mask >> number & 1]
            self._remember(self.run(self.bases.decide(f"/v1/customers/{customer}:split", {"anchor_ids": going})))

    @rule(draw=DRAW)
    def undo(self, draw: int) -> None:
        if self.decisions:
            decision = self.decisions[draw % len(self.decisions)]
            self._remember(self.run(self.bases.decide(f"/v1/decisions/{decision}:undo", {})))

    @rule(draws=st.tuples(DRAW, DRAW))
    def merge_and_undo_gives_everything_back(self, draws: tuple[int, int]) -> None:
        self._anchors()
        before = self.run(self.bases.view(self.customers))
        made = len(self.decisions)
        self.merge(draws)
        if len(self.decisions) > made:
            self._remember(self.run(self.bases.decide(f"/v1/decisions/{self.decisions[-1]}:undo", {})))
            self._anchors()
            assert self.run(self.bases.view(self.customers)) == before

    @rule()
    def look(self) -> None:
        self._anchors()
        expected = self.run(self.bases.view_never_merged(self.tag, self.customers))
        found = self.run(self.bases.view(self.customers))
        self._same(found, expected)

    def teardown(self) -> None:
        if not getattr(self, "has_failed", True):
            self.send_in_any_order(_Unshuffled())
            self.look()

    def _same(self, found: View, expected: View) -> None:
        self.has_failed = True
        for name in VIEWS:
            assert found[name] == expected[name], name
        self.has_failed = False

    def _remember(self, decision: UUID | None) -> None:
        if decision is not None:
            self.decisions.append(decision)

    def _anchors(self) -> dict[UUID, UUID]:
        anchors = self.run(self.bases.anchors(self.tag))
        self.customers |= {*anchors.values(), *self.run(self.bases.heard_of(self.tag))}
        return anchors


class _Unshuffled:
    def shuffle(self, items: list[Any]) -> None:
        """Leave the order."""


async def run_machine(bases: TwoBases, *, examples: int, steps: int) -> None:
    chosen = settings(
        max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )
    bound = type("BoundMoves", (Moves,), {"bases": bases, "loop": asyncio.get_running_loop()})
    await asyncio.to_thread(run_state_machine_as_test, bound, settings=chosen)


async def test_the_view_is_that_of_a_base_that_was_never_merged(bases: TwoBases) -> None:
    await run_machine(bases, examples=6, steps=14)


@pytest.mark.slow
async def test_the_view_is_that_of_a_base_that_was_never_merged_in_many_more_ways(bases: TwoBases) -> None:
    await run_machine(bases, examples=30, steps=30)
