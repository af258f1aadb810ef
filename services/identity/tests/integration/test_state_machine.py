"""Identity against a simple model of it: events in any order, merges, splits, undos, erasures, on the real parts.

After every step: the partition is the model's, every identifier has one current anchor, former ids lead to whom they
should, versions grow. In the end somebody who only reads facts has the same partition.
"""

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Coroutine, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from services.identity.tests.deciding import DECIDE
from services.identity.tests.identity_model import Decision, IdentityModel, Name
from services.identity.tests.integration.conftest import Sender, make_sender

from contracts.identity import AnchorMoved, IdentifierLinked, ResolvedEvent
from identity_service.app import build
from identity_service.settings import Settings
from servicekit.clock import FrozenClock
from servicekit.testing import Environment, RunningService, running

T = TypeVar("T")
KEPT = ("sources", "namespaces", "rules_versions", "alembic_version", "idempotency_keys")

users, mails, cookies = st.sampled_from("123"), st.sampled_from("abcd"), st.sampled_from("xy")
events = st.fixed_dictionaries({}, optional={"user_id": users, "email": mails, "anonymous_id": cookies}).filter(bool)


class Bench:
    """Identity at work on a loop of its own, for tests that are not coroutines."""

    service: RunningService
    sender: Sender
    connection: asyncpg.Connection

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        self.clock = FrozenClock(datetime(2026, 11, 20, 3, 0, tzinfo=UTC))
        self.loop = asyncio.new_event_loop()
        self._ready, self._stop = threading.Event(), asyncio.Event()
        self._thread = threading.Thread(target=self.loop.run_until_complete, args=(self._work(),))
        self.messages = count()
        self.first_sequence = self.first_request = 1
        self.requests = 0

    def __enter__(self) -> "Bench":
        self._thread.start()
        while not self._ready.wait(0.1):
            assert self._thread.is_alive(), "identity did not start: its thread says why"
        return self

    def __exit__(self, *_: object) -> None:
        self.loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60)

    async def _work(self) -> None:
        async with running(build, Settings, self._environment, clock=self.clock) as self.service:
            self.sender = await make_sender(self.service, "shop")
            strict = await self.service.client.put(
                "/v1/namespaces/email", json={"limit": 2, "priority": 2}, headers=self.service.headers()
            )
            assert strict.status_code == 200
            self.connection = await self.service.database.connect()
            self._ready.set()
            await self._stop.wait()
            await self.connection.close()

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    def rows(self, statement: str, *arguments: object) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = self.do(self.connection.fetch(statement, *arguments))
        return rows

    def begin(self) -> None:
        """Forget everything but configuration."""

        async def forget() -> None:
            await self.service.drain()
            tables = await self.connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            names = [row["tablename"] for row in tables if row["tablename"] not in (*KEPT, "ingest_totals")]
            await self.connection.execute("; ".join(f'DELETE FROM "{name}"' for name in names))
            await self.connection.execute(
                "UPDATE ingest_totals SET accepted = 0, rejected = 0, duplicates = 0, erased = 0"
            )
            jetstream = self.service.nats.jetstream
            self.first_sequence = (await jetstream.stream_info("identity")).state.last_seq + 1
            self.first_request = (await jetstream.stream_info("ingest")).state.last_seq + 1

        self.do(forget())
        self.taken = self.requests = 0

    def send(self, batch: list[dict[str, Any]]) -> None:
        """Send events in one request, and wait until each is taken, dropped or rejected."""

        async def send() -> None:
            await self.sender.send(*batch)
            self.taken += len(batch)
            self.requests += 1
            async with asyncio.timeout(20):
                while await self.connection.fetchval(_TAKEN) < self.taken:  # noqa: ASYNC110 - nothing else to wait for
                    await asyncio.sleep(0.003)

        self.do(send())

    def deliver_again(self, requests: list[int]) -> None:
        """Let the event log deliver requests (0: the first since the beginning) once more."""

        async def deliver() -> None:
            jetstream = self.service.nats.jetstream
            for number in requests:
                message = await jetstream.get_msg("ingest", self.first_request + number)
                headers = {name: value for name, value in (message.headers or {}).items() if name != "Nats-Msg-Id"}
                self.requests += 1
                await jetstream.publish(message.subject or "", message.data or b"", headers=headers)
            await self.service.drain()

        self.do(deliver())

    def post(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        headers = self.service.headers(*DECIDE, "privacy:read", "privacy:write")
        answer = self.do(self.service.client.post(path, json=body, headers=headers))
        return answer.status_code, answer.json()

    def facts(self) -> list[Any]:
        """Every fact of moves, new identifiers and events since the beginning, in the order of the stream."""

        async def read() -> list[Any]:
            await self.service.drain()
            jetstream = self.service.nats.jetstream
            last = (await jetstream.stream_info("identity")).state.last_seq
            messages = [await jetstream.get_msg("identity", one) for one in range(self.first_sequence, last + 1)]
            return [
                fact
                for message in messages
                for kind in (AnchorMoved, IdentifierLinked, ResolvedEvent)
                if (message.headers or {}).get("ce-type") == kind.fact_type
                for fact in map(kind.model_validate, json.loads(message.data or b"{}")["facts"])
            ]

        return self.do(read())


_TAKEN = "SELECT accepted + rejected + duplicates + erased FROM ingest_totals"


class IdentityMachine(RuleBasedStateMachine):
    """What may happen to identity, in any order."""

    bench: Bench

    def __init__(self) -> None:
        super().__init__()
        self.bench.begin()
        self.model = IdentityModel()
        self.sent: list[dict[str, Any]] = []
        self.anchor_versions: dict[UUID, tuple[int, UUID]] = {}
        self.customer_versions: dict[UUID, tuple[int, frozenset[UUID]]] = {}

    # what sources do

    @rule(event=events)
    def observe(self, event: dict[str, str]) -> None:
        self._observe([event])

    @rule(batch=st.lists(events, min_size=2, max_size=4))
    def observe_several_at_once(self, batch: list[dict[str, str]]) -> None:
        self._observe(batch)

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def send_again(self, data: st.DataObject) -> None:
        """Repetitions, in any order, change nothing."""
        self.bench.send(data.draw(st.lists(st.sampled_from(self.sent), min_size=1, max_size=3)))

    @precondition(lambda self: self.bench.requests)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        """The event log may deliver a request more than once."""
        numbers = st.integers(0, self.bench.requests - 1)
        self.bench.deliver_again(data.draw(st.lists(numbers, min_size=1, max_size=3)))

    @rule(user=users, cookie=cookies, is_late=st.booleans())
    def alias(self, user: str, cookie: str, is_late: bool) -> None:
        """A cookie's owner signs in. It is as if one event named both, with no word of the kind of the cookie."""
        self._observe([{"user_id": user, "anonymous_id": cookie}], late=is_late, is_alias=True)

    @precondition(lambda self: self.model.buried)
    @rule(data=st.data(), event=events, is_hashed=st.booleans())
    def send_what_occurred_before_an_erasure(self, data: st.DataObject, event: dict[str, str], is_hashed: bool) -> None:
        """Nothing late resurrects anybody, be it named in plain or, as partners do, hashed."""
        kind, value = data.draw(st.sampled_from(sorted(self.model.buried)))
        self._observe([event | {kind: value}], late=True, is_hashed=is_hashed)

    def _observe(
        self, batch: list[dict[str, str]], *, late: bool = False, is_alias: bool = False, is_hashed: bool = False
    ) -> None:
        self.bench.clock.advance(timedelta(minutes=1))
        at = datetime(2026, 11, 19, tzinfo=UTC) if late else self.bench.clock.now()
        make = self._alias if is_alias else self._hashed if is_hashed else self._message
        messages = [make(event, at) for event in batch]
        self.bench.send(messages)
        self.sent += messages
        self._learn([list(event.items()) for event in batch], at)

    def _message(self, event: dict[str, str], at: datetime) -> dict[str, Any]:
        message: dict[str, Any] = {
            "type": "identify", "messageId": f"m{next(self.bench.messages)}", "timestamp": at.isoformat(),
        }  # fmt: skip
        fields = {"user_id": "userId", "anonymous_id": "anonymousId"}
        message |= {fields[kind]: value for kind, value in event.items() if kind in fields}
        return message | ({"traits": {"email": f"{event['email']}@example.jp"}} if "email" in event else {})

    def _alias(self, event: dict[str, str], at: datetime) -> dict[str, Any]:
        return self._message({"user_id": event["user_id"]}, at) | {
            "type": "alias", "previousId": event["anonymous_id"],
        }  # fmt: skip

    def _hashed(self, event: dict[str, str], at: datetime) -> dict[str, Any]:
        message = self._message(event, at)
        address = message.pop("traits", {}).get("email")
        if address is None:
            return message
        return message | {
            "context": {"externalIds": [{"type": "email", "sha256": sha256(address.encode()).hexdigest()}]}
        }

    def _learn(self, batch: list[list[tuple[str, str]]], at: datetime) -> None:
        """Follow the events in the model, which is told the ids of what is new."""
        new: dict[Name, list[UUID]] = {}
        current: set[UUID] = set()
        for row in self.bench.rows(_ANCHORS):
            if row["is_current"]:
                current.add(row["anchor_id"])
            if row["anchor_id"] not in self.model.holders:
                new.setdefault(_name(row), []).append(row["anchor_id"])
        origins = {row["anchor_id"]: row["origin"] for row in self.bench.rows(_ORIGINS)}
        decisions = self._new_decisions()
        for names in batch:
            observed = self.model.observe(names, at)
            customer_id = observed.customer_id
            for former, moves in observed.merges:
                found = [one for one, moved in decisions.items() if moved == set(moves)]
                assert found, f"{former} should have been merged"
                del decisions[found[0]]
                self.model.decisions[found[0]] = Decision(moves, joined=True)
            for name in observed.new:
                anchor = new[name].pop(0)
                customer_id = customer_id or origins[anchor]
                self.model.learn(name, anchor, customer_id)
            for name in observed.dropped:
                assert customer_id is not None
                if self.model.is_handed_over(name, customer_id):
                    # of several that a merge brought together any may become the current one again
                    known = sorted(self.model.former_anchors(name, customer_id), key=lambda one: one not in current)
                    made = [one for one in new.get(name, []) if origins[one] == customer_id]
                    if made and (not known or name in self.model.buried):
                        # when its holder was erased nobody was asked for a former anchor of it
                        new[name].remove(made[0])
                        known = made
                    assert known, "the shared identifier should have been handed over"
                    self.model.learn(name, known[0], customer_id)
        assert not decisions, "nobody else should have been merged"
        assert not any(new.values()), "no other identifier should have been linked"

    def _new_decisions(self) -> dict[UUID, set[tuple[UUID, UUID, UUID]]]:
        moved: dict[UUID, set[tuple[UUID, UUID, UUID]]] = {}
        for row in self.bench.rows(_MOVES):
            if row["decision_id"] not in self.model.decisions:
                move = (row["anchor_id"], row["former_customer_id"], row["customer_id"])
                moved.setdefault(row["decision_id"], set()).add(move)
        return moved

    # what persons do

    @precondition(lambda self: len(self.model.customers()) > 1)
    @rule(data=st.data())
    def merge(self, data: st.DataObject) -> None:
        customers = st.sampled_from(self.model.customers())
        chosen = data.draw(st.lists(customers, min_size=2, max_size=3, unique=True))
        into = data.draw(st.none() | st.sampled_from(chosen))
        status, answer = self.bench.post(
            "/v1/customers:merge",
            {"customer_ids": [str(one) for one in chosen], "into": into and str(into), "why": "One person."},
        )
        assert status == 201, answer
        stays = into or min(chosen)
        self.model.merge(stays, [one for one in chosen if one != stays], UUID(answer["decision_id"]))

    @precondition(lambda self: self._splittable())
    @rule(data=st.data())
    def split(self, data: st.DataObject) -> None:
        customer_id = data.draw(st.sampled_from(self._splittable()))
        anchors = sorted(self.model.anchors_of(customer_id))
        going = set(data.draw(st.lists(st.sampled_from(anchors), min_size=1, max_size=len(anchors) - 1, unique=True)))
        status, answer = self.bench.post(
            f"/v1/customers/{customer_id}:split", {"anchor_ids": [str(one) for one in going], "why": "Two persons."}
        )
        assert status == 201, answer
        [new] = answer["other_customer_ids"]
        self.model.split(customer_id, going, UUID(new), UUID(answer["decision_id"]))

    def _splittable(self) -> list[UUID]:
        held = Counter(self.model.holders.values())
        return [one for one in self.model.customers() if held[one] > 1]

    @precondition(lambda self: self._undoable())
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        """Of what rules decided, too."""
        decision_id = data.draw(st.sampled_from(self._undoable()))
        decision, back = self.model.decisions[decision_id], self.model.ways_back(decision_id)
        status, answer = self.bench.post(f"/v1/decisions/{decision_id}:undo", {"why": "A mistake."})
        if not back:
            assert status == 409, answer
            return
        assert status == 201, answer
        assert answer["anchors"] == len(back)
        assert answer["anchors"] + answer["anchors_left"] <= len(decision.moves)
        now = {row["anchor_id"]: row["customer_id"] for row in self.bench.rows(_ANCHORS)}
        self.model.undo(decision_id, UUID(answer["decision_id"]), now)

    def _undoable(self) -> list[UUID]:
        return sorted(one for one, decision in self.model.decisions.items() if not decision.undone)

    @precondition(lambda self: len(self.model.customers()) > 2)
    @rule(data=st.data(), is_meant=st.integers(0, 2))
    def erase(self, data: st.DataObject, is_meant: int) -> None:
        """By a former id, too; what was sent before may be sent again after it as at any time."""
        if is_meant:
            return  # seldom, or nothing would be left to go on with
        asked = data.draw(st.sampled_from([*self.model.customers(), *self.model.former]))
        customer_id = self.model.resolve(asked)
        assert customer_id is not None
        self.bench.clock.advance(timedelta(minutes=1))
        status, answer = self.bench.post(f"/v1/customers/{asked}:erase", {"why": "Asked for."})
        assert (status, answer["customer_id"]) == (202, str(customer_id)), answer
        self.model.erase(customer_id, self.bench.clock.now())

    @precondition(lambda self: self.model.erased)
    @rule(data=st.data())
    def erase_again(self, data: st.DataObject) -> None:
        """It is the same erasure: what came after it stays."""
        self.bench.clock.advance(timedelta(minutes=1))
        asked = data.draw(st.sampled_from(sorted(self.model.erased)))
        status, answer = self.bench.post(f"/v1/customers/{asked}:erase", {"why": "Asked again."})
        assert (status, answer["why"]) == (202, "Asked for.")

    @precondition(lambda self: self.model.holders)
    @rule(data=st.data())
    def ask_for_what_cannot_be(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.model.customers()))
        anchors = [str(anchor) for anchor in self.model.anchors_of(one)]
        foreign = [str(anchor) for anchor in self.model.holders.keys() - self.model.anchors_of(one)]
        refused = [
            ("/v1/customers:merge", {"customer_ids": [str(one), str(one)]}, 422),
            *(
                ("/v1/customers:merge", {"customer_ids": [str(one), str(former)]}, 409)
                for former in self.model.former
                if self.model.resolve(former) == one
            ),
            *(("/v1/customers:merge", {"customer_ids": [str(one), str(gone)]}, 404) for gone in self.model.erased),
            (f"/v1/customers/{one}:split", {"anchor_ids": anchors}, 422),
            *((f"/v1/customers/{one}:split", {"anchor_ids": [*anchors[:-1], other]}, 422) for other in foreign),
            *((f"/v1/decisions/{done}:undo", {}, 409) for done, was in self.model.decisions.items() if was.undone),
        ]
        path, body, expected = data.draw(st.sampled_from(refused))
        status, answer = self.bench.post(path, {**body, "why": "Why not?"})
        assert (status, "detail" in answer) == (expected, True), answer

    # what always holds

    @invariant()
    def the_partition_is_the_models(self) -> None:
        rows = self.bench.rows(_ANCHORS)
        assert {row["anchor_id"]: row["customer_id"] for row in rows} == self.model.holders
        assert {_name(row): row["anchor_id"] for row in rows if row["is_current"]} == self.model.current
        assert len([row for row in rows if row["is_current"]]) == len(self.model.current)
        customers = self.bench.rows("SELECT customer_id, version FROM customers ORDER BY customer_id")
        assert [row["customer_id"] for row in customers] == self.model.customers()
        self._versions_grow(rows, customers)

    def _versions_grow(self, anchors: list[asyncpg.Record], customers: list[asyncpg.Record]) -> None:
        for row in anchors:
            version, holder = self.anchor_versions.get(row["anchor_id"], (row["version"], row["customer_id"]))
            assert row["version"] > version or (row["version"], row["customer_id"]) == (version, holder)
            self.anchor_versions[row["anchor_id"]] = (row["version"], row["customer_id"])
        present = {row["customer_id"] for row in customers}
        for customer_id in self.customer_versions.keys() - present:  # should it come back, then with a higher one
            version, _ = self.customer_versions[customer_id]
            self.customer_versions[customer_id] = version, frozenset()
        for row in customers:
            held = frozenset(self.model.anchors_of(row["customer_id"]))
            version, before = self.customer_versions.get(row["customer_id"], (0, frozenset()))
            assert row["version"] > version or (row["version"], held) == (version, before)
            self.customer_versions[row["customer_id"]] = (row["version"], held)

    @invariant()
    def former_ids_lead_to_whom_they_should(self) -> None:
        asked = sorted(self.model.former.keys() | self.model.erased)
        if not asked:
            return
        _, answer = self.bench.post("/v1/customers:batchGet", {"customer_ids": [str(one) for one in asked]})
        found = [one["current_customer_id"] for one in answer["customers"]]
        assert found == [None if (now := self.model.resolve(one)) is None else str(now) for one in asked]

    @invariant()
    def separations_are_the_models(self) -> None:
        rows = self.bench.rows("SELECT DISTINCT decision_id FROM separations WHERE is_active")
        assert {row["decision_id"] for row in rows} <= {
            one.decision_id for one in self.model.separations if one.is_active
        }

    def teardown(self) -> None:
        """Somebody who only reads facts, in whatever order, ends where identity is, and hears of no event twice."""
        holders: dict[UUID, tuple[int, UUID]] = {}
        events: dict[UUID, UUID] = {}
        for fact in self.bench.facts():
            if isinstance(fact, ResolvedEvent):
                assert events.setdefault(fact.event_id, fact.anchor_id) == fact.anchor_id
                continue
            version = getattr(fact, "version", 1)
            if version > holders.get(fact.anchor_id, (0, None))[0]:
                holders[fact.anchor_id] = version, fact.customer_id
        gone = holders.keys() - self.model.holders.keys()
        assert {one: holders[one][1] for one in holders.keys() - gone} == self.model.holders


_ANCHORS = "SELECT anchor_id, namespace, value, customer_id, version, is_current FROM identifiers ORDER BY anchor_id"
_ORIGINS = """
SELECT identifiers.anchor_id, coalesce(
    (SELECT former_customer_id FROM moves WHERE moves.anchor_id = identifiers.anchor_id ORDER BY version LIMIT 1),
    identifiers.customer_id
) AS origin FROM identifiers
"""
_MOVES = "SELECT decision_id, anchor_id, former_customer_id, customer_id FROM moves"


def _name(row: asyncpg.Record) -> Name:
    return row["namespace"], row["value"].removesuffix("@example.jp")


@pytest.fixture
def bench(environment: Environment) -> Iterator[Bench]:
    with Bench(environment) as bench:
        yield bench


def _run(bench: Bench, *, examples: int, steps: int) -> None:
    machine = type("Machine", (IdentityMachine,), {"bench": bench})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            database=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_identity_is_its_model(bench: Bench) -> None:
    _run(bench, examples=10, steps=15)


@pytest.mark.slow
def test_identity_is_its_model_for_long(bench: Bench) -> None:
    _run(bench, examples=150, steps=40)
