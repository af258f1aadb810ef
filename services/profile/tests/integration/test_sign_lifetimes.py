"""Any events, any passing of time: what is shown, and who is in a segment by it, equals a plain reading of a sign."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from services.profile.tests.integration.conftest import START
from services.profile.tests.profile_facts import event
from services.profile.tests.recording import Desk, desk

from contracts.conditions import EventMatch
from contracts.profile import SignDetected, SignExpired
from profile_service.conditions import Compiler
from profile_service.repository.conclusions import CONDITION
from profile_service.repository.precision import BecameTrue, Events
from profile_service.service import signs
from servicekit.database import load_sql
from servicekit.embedded.postgres import EmbeddedPostgres

_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("event"), st.integers(0, 1), st.integers(0, 80)),  # whose, how many hours ago
        st.tuples(st.just("hours"), st.integers(1, 60), st.just(0)),
        st.tuples(st.just("lifetime"), st.integers(1, 4), st.just(0)),
    ),
    min_size=4,
    max_size=14,
)
_WINDOW = timedelta(days=2)


@dataclass
class PlainSign:
    """One customer's sign, followed hour by hour: `count` events in the last two days make its condition true."""

    count: int
    negated: bool
    lifetime: timedelta
    events: list[datetime] = field(default_factory=list)
    held: bool = False
    renewed_at: datetime | None = None
    shown: bool = False
    said: list[bool] = field(default_factory=list)

    def look(self, now: datetime) -> None:
        """Take notice of what holds now."""
        enough = sum(now - _WINDOW < each <= now for each in self.events) >= self.count
        holds = bool(self.events) and enough != self.negated
        if holds and not self.held:
            self.renewed_at = now
        self.held = holds
        shown = holds or (self.renewed_at is not None and now < self.renewed_at + self.lifetime)
        if shown != self.shown:
            self.said.append(shown)
        self.shown = shown


def _definition(count: int, *, negated: bool) -> dict[str, Any]:
    tree: dict[str, Any] = {
        "kind": "event_count",
        "event": "Seen",
        "comparison": "lt" if negated else "ge",
        "value": count,
        "window": {"days": 2},
    }
    return tree


_SHOWING: dict[str, Any] = {"kind": "sign", "sign": "seen"}
_ASKING: dict[str, dict[str, Any]] = {
    "showing": _SHOWING,
    "detected-lately": {**_SHOWING, "detected": {"days": 1}},
    "not-showing": {"kind": "not", "condition": _SHOWING},
}


async def _members(a_desk: Desk) -> dict[str, set[UUID]]:
    rows = await a_desk.fetch(
        "SELECT key, customer_id FROM segment_memberships JOIN segments USING (segment_id) WHERE is_member"
    )
    return {key: {row["customer_id"] for row in rows if row["key"] == key} for key in _ASKING}


async def _publish(a_desk: Desk, condition: dict[str, Any], lifetime_days: int) -> None:
    async with a_desk.database.transaction() as session:
        await signs.put_sign(
            session,
            "seen",
            name="seen",
            meaning="seen",
            condition=CONDITION.validate_python(condition),
            strength="weak",
            lifetime_days=lifetime_days,
            outcome=None,
            demanded_revision=None,
        )
        await signs.publish_sign(session, "seen", published_by=None, why=None, now=a_desk.clock.now())
    await a_desk.backfill()


# it lasts for a day after its condition held, and is detected anew after a day without
@example(
    steps=[("event", 0, 0), ("hours", 60, 0), ("hours", 36, 0), ("event", 0, 0), ("hours", 30, 0)],
    count=1,
    negated=False,
    lifetime=3,
)
@given(steps=_STEPS, count=st.integers(1, 3), negated=st.booleans(), lifetime=st.integers(1, 4))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_a_sign_and_who_asks_for_it_follow_a_plain_reading(
    postgres: EmbeddedPostgres, steps: list[tuple[str, int, int]], count: int, negated: bool, lifetime: int
) -> None:
    people = [UUID(int=1), UUID(int=2)]
    condition = _definition(count, negated=negated)
    plain = [PlainSign(count, negated, timedelta(days=lifetime)) for _ in people]
    async with desk(postgres, start=START, backfill_chunk=1) as a_desk:
        await _publish(a_desk, condition, lifetime)
        for key, tree in _ASKING.items():
            await a_desk.publish_segment(key, tree)
        await a_desk.backfill()

        def look() -> None:
            for each in plain:
                each.look(a_desk.clock.now())

        for kind, number, ago in steps:
            now = a_desk.clock.now()
            if kind == "event":
                at = now - timedelta(hours=ago)
                await a_desk.record([event(people[number], "Seen", at)])
                plain[number].events.append(at)
                look()
            elif kind == "lifetime":
                await _publish(a_desk, condition, number)
                for each in plain:
                    each.lifetime = timedelta(days=number)
                look()
            else:
                for _ in range(number):
                    a_desk.clock.advance(timedelta(hours=1))
                    await a_desk.expire()
                    look()
            rows = await a_desk.fetch(
                "SELECT customer_id, renewed_at, holds, detected_at FROM customer_signs WHERE is_active"
            )
            assert {row["customer_id"]: (row["renewed_at"], row["holds"]) for row in rows} == {
                customer: (each.renewed_at, each.held)
                for customer, each in zip(people, plain, strict=True)
                if each.shown
            }
            lately = a_desk.clock.now() - timedelta(days=1)
            assert await _members(a_desk) == {
                "showing": {row["customer_id"] for row in rows},
                "detected-lately": {row["customer_id"] for row in rows if row["detected_at"] > lately},
                "not-showing": {
                    customer for customer, each in zip(people, plain, strict=True) if each.events and not each.shown
                },
            }
        facts = [(fact, True) for fact in await a_desk.facts(SignDetected)]
        facts += [(fact, False) for fact in await a_desk.facts(SignExpired)]
        facts.sort(key=lambda pair: pair[0].occurred_at)
        for customer, each in zip(people, plain, strict=True):
            assert sorted(is_shown for fact, is_shown in facts if fact.customer_id == customer) == sorted(each.said)


async def test_what_is_asked_often_is_answered_by_indexes(a_desk: Desk) -> None:
    await _publish(a_desk, _definition(1, negated=False), 30)
    people = [UUID(int=number) for number in range(1, 301)]
    await a_desk.record(
        [event(each, "Seen", START - timedelta(hours=number % 40)) for number, each in enumerate(people)]
    )
    connection = await a_desk.database.connect()
    await connection.execute("ANALYZE customer_signs; SET enable_seqscan = off; SET enable_bitmapscan = off")
    [sign_id] = [row["sign_id"] for row in await connection.fetch("SELECT sign_id FROM signs")]
    due = str(await connection.fetch(f"EXPLAIN {load_sql('profile_service', 'claim_due')}", START, 500))
    assert "Index Scan using customer_signs_due" in due
    page = str(
        await connection.fetch(
            "EXPLAIN SELECT customer_id FROM customer_signs "
            "WHERE sign_id = $1 AND is_active AND customer_id > $2 ORDER BY customer_id LIMIT 100",
            sign_id,
            people[0],
        )
    )
    assert "using customer_signs_active" in page and "Sort" not in page
    any_of = tuple(EventMatch(event=name) for name in ("Seen", "Seen Again"))
    for expected, index in (
        (Events(any_of[:1], Compiler(promoted={})), "events_name"),
        (Events(any_of, Compiler(promoted={})), "events_name"),
        (BecameTrue(sign_id), "sign_detections_sign"),
    ):
        outcome = expected.compiled(first_parameter=5)
        others = load_sql("profile_service", "count_others").replace("{outcome}", outcome.sql)
        values = (sign_id, [START], timedelta(days=1), timedelta(days=1), *outcome.parameters)
        plan = str(await connection.fetch(f"EXPLAIN {others}", *values))
        assert f"using {index}" in plan and "using sign_detections" in plan, plan
    await connection.close()
