"""The compiler against the plain reading: random trees, facts and clocks, time passing, on the real PostgreSQL."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter
from services.profile.tests import random_conditions as r
from services.profile.tests.plain_reading import PlainCustomer, PlainEvent, Reading, holds

from contracts.conditions import Condition, Value
from profile_service.app import build
from profile_service.conditions import Compiler, Predicate, check_condition, check_value, expand, expand_value
from profile_service.repository.library import CONDITION
from servicekit.database import Database, raw
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.testing import create_database

VALUE: TypeAdapter[Value] = TypeAdapter(Value)
MICROSECOND = timedelta(microseconds=1)
COMPILER = Compiler(promoted={"revenue": "revenue"}, zone=r.ZONE)
STEPS = 4
"""How often a test lets time pass to where an answer may change first."""

normally = settings(
    max_examples=35, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
at_length = settings(normally, max_examples=1500)


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    database = Database(await create_database(postgres, build), pool_size=1)
    yield database
    await database.close()


@dataclass(frozen=True)
class World:
    """Trees over customers at a moment."""

    now: datetime
    trees: list[dict[str, Any]]
    people: list[PlainCustomer]


@st.composite
def worlds(
    draw: st.DrawFn, trees: st.SearchStrategy[dict[str, Any]] = r.trees, when: st.SearchStrategy[timedelta] = r.offsets
) -> World:
    now = draw(st.sampled_from(r.CLOCKS))
    people = draw(st.lists(r.customers_at(now, when=when), min_size=2, max_size=4))
    return World(now, draw(st.lists(trees, min_size=2, max_size=5)), people)


async def _the_compiler_reads_like_plain_python(database: Database, world: World) -> None:
    """Live answers, everybody's with and without times; what time alone changes, and when."""
    conditions = [CONDITION.validate_python(tree) for tree in world.trees]
    for condition in conditions:
        check_condition(condition)
    expanded = [expand(condition, r.LIBRARY) for condition in conditions]
    known = {uuid4(): customer for customer in world.people}
    stranger = uuid4()
    async with database.transaction() as session:
        connection = await raw(session)
        await _store(connection, known)
        answers = await _live(connection, expanded, [*known, stranger], now=world.now)
        assert await _everybody(connection, expanded, now=world.now) == {key: answers[key] for key in known}
        for position, condition in enumerate(conditions):
            expected = {key: _holds(condition, customer, world.now) for key, customer in known.items()}
            assert {key: answers[key][position][0] for key in known} == expected, condition
            members = await _members(connection, expanded[position], now=world.now)
            assert members == {key for key, matches in expected.items() if matches}, condition
            found = await _candidates(connection, expanded[position], now=world.now)
            for key, customer in known.items():
                if key in found:
                    assert found[key] == answers[key][position], condition
                else:  # it does not fulfil it, and time alone does not change that
                    assert not expected[key], condition
                    _assert_unchanged(condition, customer, False, since=world.now, until=None)
            assert answers[stranger][position][0] == _holds(condition, PlainCustomer(), world.now)
            for key, customer in known.items():
                matches, until = answers[key][position]
                _assert_unchanged(condition, customer, matches, since=world.now, until=until)
        await _let_time_pass(connection, conditions, expanded, known, answers, now=world.now)
        await connection.execute("DELETE FROM events WHERE occurred_at > $1", world.now)
        people = {
            key: replace(customer, events=[event for event in customer.events if event.occurred_at <= world.now])
            for key, customer in known.items()
        }
        await _a_quick_look_may_be_early(connection, conditions, expanded, people, now=world.now)
        await session.rollback()


async def _a_quick_look_may_be_early(
    connection: asyncpg.Connection,
    conditions: list[Condition],
    expanded: list[Predicate],
    known: dict[UUID, PlainCustomer],
    *,
    now: datetime,
) -> None:
    for condition, predicate in zip(conditions, expanded, strict=True):
        exact = await _candidates(connection, predicate, now=now)
        quick = await _candidates(connection, predicate, now=now, is_quick=True)
        assert {key: answer[0] for key, answer in quick.items()} == {key: answer[0] for key, answer in exact.items()}
        for key, (matches, until) in quick.items():
            _assert_unchanged(condition, known[key], matches, since=now, until=until)


async def _let_time_pass(
    connection: asyncpg.Connection,
    conditions: list[Condition],
    expanded: list[Predicate],
    known: dict[UUID, PlainCustomer],
    answers: dict[UUID, list[tuple[bool, datetime | None]]],
    *,
    now: datetime,
) -> None:
    """Ask again when an answer says so: between two such moments nothing changes, and at each the answers are right."""
    for _ in range(STEPS):
        moments = [until for key in known for _, until in answers[key] if until is not None]
        if not moments:
            return
        upcoming = min(moments)
        assert upcoming > now
        for position, condition in enumerate(conditions):
            for key, customer in known.items():
                just_before = _holds(condition, customer, upcoming - MICROSECOND)
                assert just_before == answers[key][position][0], (condition, upcoming)
        now = upcoming
        answers = await _live(connection, expanded, list(known), now=now)
        for position, condition in enumerate(conditions):
            for key, customer in known.items():
                assert answers[key][position][0] == _holds(condition, customer, now), (condition, now)


@normally
@given(world=worlds())
async def test_the_compiler_reads_like_plain_python(database: Database, world: World) -> None:
    await _the_compiler_reads_like_plain_python(database, world)


@normally
@given(world=worlds(st.one_of(r.recencies, r.dated, r.sequences, r.withouts, r.value_conditions)))
async def test_what_the_edges_of_time_decide(database: Database, world: World) -> None:
    await _the_compiler_reads_like_plain_python(database, world)


@normally
@given(world=worlds(r.counts))
async def test_how_many_are_in_a_window(database: Database, world: World) -> None:
    await _the_compiler_reads_like_plain_python(database, world)


@normally
@given(world=worlds(r.anniversaries))
async def test_anniversaries(database: Database, world: World) -> None:
    await _the_compiler_reads_like_plain_python(database, world)


@normally
@given(world=worlds(r.signs))
async def test_what_is_kept_of_signs_and_what_is_true_now(database: Database, world: World) -> None:
    await _the_compiler_reads_like_plain_python(database, world)


@pytest.mark.slow
@at_length
@given(world=worlds())
async def test_the_compiler_reads_like_plain_python_at_length(database: Database, world: World) -> None:
    await _the_compiler_reads_like_plain_python(database, world)


_LAST_DAYS = st.none() | r.last_days
_BOUNDS = st.sampled_from(["lt", "le", "gt", "ge"])
_BOUGHT = {"event": r.EVENTS[0], "where": []}
exact = st.one_of(
    # not `eq` and `ne`: where two leave at once, what was too many is too few at the same moment
    r._fixed(kind="event_count", event=r.EVENTS[0], comparison=_BOUNDS, value=st.integers(0, 3), window=_LAST_DAYS),
    r.recencies,
    r._fixed(
        kind="value",
        of=r._fixed(
            kind="time_since",
            of=r._fixed(kind="events", function=st.sampled_from(["first", "last"]), event=r.EVENTS[0]),
            unit=st.sampled_from(["days", "hours", "calendar_days"]),
        ),
        comparison=r.orders,
        value=st.integers(0, 40),
    ),
    r._fixed(
        kind="sequence", first=_BOUGHT, then={**_BOUGHT, "event": r.EVENTS[1]}, within=r.durations, window=_LAST_DAYS
    ),
    r._fixed(kind="without", event=_BOUGHT, without={**_BOUGHT, "event": r.EVENTS[1]}, for_at_least=r.durations),
    r._fixed(
        kind=st.sampled_from(["anniversary", "date"]),
        of=st.one_of(st.just({"trait": "born"}), st.just({**_BOUGHT, "which": "last"})),
        position=st.sampled_from(["days_before", "days_after", "within_next", "within_last"]),
        days=r.day_offsets,
    ),
)


@normally
@given(world=worlds(exact, r.past_offsets))
async def test_without_events_to_come_these_change_at_the_very_moment(database: Database, world: World) -> None:
    conditions = [CONDITION.validate_python(tree) for tree in world.trees]
    known = {uuid4(): customer for customer in world.people}
    async with database.transaction() as session:
        connection = await raw(session)
        await _store(connection, known)
        expanded = [expand(condition, r.LIBRARY) for condition in conditions]
        answers = await _live(connection, expanded, list(known), now=world.now)
        await session.rollback()
    for position, condition in enumerate(conditions):
        for key, customer in known.items():
            matches, until = answers[key][position]
            if until is not None:
                assert _holds(condition, customer, until) != matches, (condition, until)


async def _values_read_like_plain_python(database: Database, trees: list[dict[str, Any]], world: World) -> None:
    parsed = [VALUE.validate_python(tree) for tree in trees]
    for value in parsed:
        check_value(value)
    compiled = COMPILER.values([expand_value(value, r.LIBRARY) for value in parsed])
    known = {uuid4(): customer for customer in world.people}
    async with database.transaction() as session:
        connection = await raw(session)
        await _store(connection, known)
        for now in (world.now, world.now + r.DAY):
            rows = await connection.fetch(
                _finite(compiled.sql, "u", len(parsed)), now, list(known), *compiled.parameters
            )
            for row in rows:
                customer = known[row["customer_id"]]
                for position, value in enumerate(parsed):
                    expected = _value(value, customer, now)
                    assert row[f"x{position}"] == expected, (value, now)
                    until = row[f"u{position}"]
                    assert until is None or until > now
                    for moment in _moments(customer, since=now, until=until):
                        assert _value(value, customer, moment) == expected, (value, now, moment, until)
        await session.rollback()


@normally
@given(trees=st.lists(r.any_values, min_size=2, max_size=5), world=worlds(r.counts))
async def test_values_read_like_plain_python(database: Database, trees: list[dict[str, Any]], world: World) -> None:
    await _values_read_like_plain_python(database, trees, world)


@pytest.mark.slow
@at_length
@given(trees=st.lists(r.any_values, min_size=2, max_size=5), world=worlds(r.counts))
async def test_values_read_like_plain_python_at_length(
    database: Database, trees: list[dict[str, Any]], world: World
) -> None:
    await _values_read_like_plain_python(database, trees, world)


def _holds(condition: Condition, customer: PlainCustomer, now: datetime) -> bool:
    return holds(condition, customer, now=now, currency=r.CURRENCY, zone=r.ZONE, library=r.LIBRARY)


def _value(value: Value, customer: PlainCustomer, now: datetime) -> Any:
    return Reading(customer, now, r.CURRENCY, ZoneInfo(r.ZONE), r.LIBRARY).value(value)


def _assert_unchanged(
    condition: Condition, customer: PlainCustomer, matches: bool, *, since: datetime, until: datetime | None
) -> None:
    assert until is None or until > since
    for moment in _moments(customer, since=since, until=until):
        assert _holds(condition, customer, moment) == matches, (condition, moment, until)


def _moments(customer: PlainCustomer, *, since: datetime, until: datetime | None) -> list[datetime]:
    """Moments from now to the promised one around which anything could change: just before, at it, just after."""
    facts = [event.occurred_at for event in customer.events] + [each.observed_at for each in customer.observations]
    spans = [timedelta(), *(timedelta(hours=hours) for hours in r.HOURS), *(days * r.DAY for days in r.DAYS)]
    edges = {fact + span for fact in facts for span in spans}
    for zone in (ZoneInfo(r.ZONE), ZoneInfo(r.OTHER_ZONE)):
        today = since.astimezone(zone).date()
        edges |= {datetime.combine(today + n * r.DAY, time(), tzinfo=zone) for n in (1, 2, 7, 12, 31, 42, 100, 366)}
    for sign in customer.signs.values():
        kept = [each for each in (sign.detected_at, sign.renewed_at) if each is not None]
        edges |= {each + span for each in kept for span in spans}
    edges |= {each.ends_at for each in customer.relations if each.ends_at is not None}
    moments = {edge.astimezone(UTC) + slip * MICROSECOND for edge in edges for slip in (-1, 0)} | {since + 400 * r.DAY}
    return sorted(moment for moment in moments if moment >= since and (until is None or moment < until))


async def _store(connection: asyncpg.Connection, known: dict[UUID, PlainCustomer]) -> None:
    await connection.executemany(
        "INSERT INTO customers (customer_id, first_event_at, latest_event_at, latest_event_id, latest_anchor_id, "
        "event_count) VALUES ($1, $2, $2, $1, $1, 0)",
        [(customer_id, r.NOW) for customer_id in known],
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
        "INSERT INTO traits (customer_id, name, value, source_id, observed_at, event_id) "
        "VALUES ($1, $2, $3, 'test', $4, $1)",
        _rows(known, lambda customer: [(name, json.dumps(value), r.NOW) for name, value in customer.traits.items()]),
    )
    await connection.executemany(
        "INSERT INTO trait_observations (customer_id, name, source_id, observed_at, event_id, anchor_id, value) "
        "VALUES ($1, $2, $3, $4, $5, $1, $6)",
        _rows(
            known,
            lambda customer: [
                (each.trait, each.source, each.observed_at, uuid4(), json.dumps(each.value))
                for each in customer.observations
            ],
        ),
    )
    await connection.executemany(
        "INSERT INTO relations (customer_id, relation_id, anchor_id, event_id, source_id, given_at, "
        "relation, occasion, purpose, month, day, year, ends_at) "
        "VALUES ($1, $2, $1, $1, 'test', $3, $4, $5, $6, $7, $8, $9, $10)",
        _rows(
            known,
            lambda customer: [
                (
                    uuid4(),
                    r.NOW,
                    each.relation,
                    each.occasion,
                    each.purpose,
                    each.month,
                    each.day,
                    each.year,
                    each.ends_at,
                )
                for each in customer.relations
            ],
        ),
    )
    await connection.executemany(
        "INSERT INTO customer_identifiers (customer_id, namespace, anchor_id) VALUES ($1, $2, $1)",
        _rows(known, lambda customer: [(namespace,) for namespace in customer.namespaces]),
    )
    await connection.executemany(
        "INSERT INTO static_list_members (customer_id, segment_id, anchor_id, added_at, added_by) "
        "VALUES ($1, $2, $1, $3, 'test')",
        _rows(known, lambda customer: [(segment_id, r.NOW) for segment_id in customer.lists]),
    )

    await connection.executemany(
        "INSERT INTO customer_signs (customer_id, sign_id, holds, is_active, detected_at, renewed_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        _rows(
            known,
            lambda customer: [
                (r.LIBRARY.signs[key].sign_id, kept.holds, kept.is_active, kept.detected_at, kept.renewed_at)
                for key, kept in customer.signs.items()
            ],
        ),
    )


def _rows(known: dict[UUID, PlainCustomer], of: Any) -> list[tuple[Any, ...]]:  # rows of any table
    return [(customer_id, *row) for customer_id, customer in known.items() for row in of(customer)]


def _revenue(event: PlainEvent) -> Decimal | None:
    value = event.properties.get("revenue")
    if isinstance(value, bool) or not isinstance(value, int | float) or "currency" in event.properties:
        return None
    return Decimal(str(value))


def _finite(sql: str, column: str, count: int) -> str:
    moments = ", ".join(f"NULLIF({column}{i}, 'infinity') AS {column}{i}" for i in range(count))
    others = ", ".join(f"{'m' if column == 'v' else 'x'}{i}" for i in range(count))
    return f"SELECT customer_id, {others}, {moments} FROM ({sql}) AS live"


async def _live(
    connection: asyncpg.Connection, conditions: Sequence[Predicate], customer_ids: list[UUID], *, now: datetime
) -> dict[UUID, list[tuple[bool, datetime | None]]]:
    compiled = COMPILER.live(conditions)
    sql = _finite(compiled.sql, "v", len(conditions))
    return _answers(await connection.fetch(sql, now, customer_ids, *compiled.parameters), len(conditions))


async def _everybody(
    connection: asyncpg.Connection, conditions: Sequence[Predicate], *, now: datetime
) -> dict[UUID, list[tuple[bool, datetime | None]]]:
    compiled = COMPILER.everybody(conditions)
    sql = _finite(compiled.sql, "v", len(conditions))
    return _answers(await connection.fetch(sql, now, *compiled.parameters), len(conditions))


def _answers(rows: list[asyncpg.Record], count: int) -> dict[UUID, list[tuple[bool, datetime | None]]]:
    return {row["customer_id"]: [(row[f"m{i}"], row[f"v{i}"]) for i in range(count)] for row in rows}


async def _candidates(
    connection: asyncpg.Connection, expanded: Predicate, *, now: datetime, is_quick: bool = False
) -> dict[UUID, tuple[bool, datetime | None]]:
    compiled = COMPILER.candidates(expanded, is_quick=is_quick)
    rows = await connection.fetch(
        f"SELECT customer_id, m0, NULLIF(v0, 'infinity') AS v0 FROM ({compiled.sql}) AS found",
        now,
        *compiled.parameters,
    )
    return {row["customer_id"]: (row["m0"], row["v0"]) for row in rows}


async def _members(connection: asyncpg.Connection, condition: Predicate, *, now: datetime) -> set[UUID]:
    compiled = COMPILER.members(condition)
    return {row["customer_id"] for row in await connection.fetch(compiled.sql, now, *compiled.parameters)}


_LONG = {"days": 3660}
_EXTREME_WINDOWS: list[dict[str, Any]] = [
    _LONG,
    {"hours": 87_840},
    {"start": "1000-01-01", "end": "3000-12-31"},
    {"calendar": "year", "offset": -1000},
    {"since": {"event": "A", "which": "first"}},
]
_EXTREME_MOMENTS: list[dict[str, Any]] = [
    {"kind": "moment", "moment": "3000-12-31"},
    {"kind": "moment", "moment": "1000-01-01"},
    {"kind": "trait", "trait": "moment", "read_as": "moment"},
    {"kind": "events", "function": "first", "event": "A"},
    {"kind": "events", "function": "last", "event": "A"},
]
_BIG = {"kind": "constant", "value": 10**15}
_AMOUNT = {"kind": "trait", "trait": "amount", "read_as": "number"}
_SUM: dict[str, Any] = {"kind": "events", "function": "sum", "event": "A", "property": "x"}


def _extreme_conditions() -> list[dict[str, Any]]:
    counts = [
        {"kind": "event_count", "event": "A", "comparison": comparison, "value": value, "window": window}
        for window in _EXTREME_WINDOWS
        for comparison, value in (("ge", 10**9), ("eq", 1))
    ]
    times = [
        {"kind": "value", "of": {"kind": "time_since", "of": moment, "unit": unit}, "comparison": "ge", "value": value}
        for moment in _EXTREME_MOMENTS
        for unit in ("days", "hours", "calendar_days")
        for value in (10**6, -(10**6))
    ]
    dates = [
        {"kind": kind, "of": of, "position": position, "days": 365}
        for kind in ("date", "anniversary")
        for of in ({"trait": "moment"}, {"event": "A"})
        for position in ("days_before", "within_last")
    ]
    return [*counts, *times, *dates, {"kind": "event_last", "event": "A", "position": "within", "days": 3660}]


def _extreme_values() -> list[dict[str, Any]]:
    value: dict[str, Any] = _SUM
    for kind in ("multiply", "multiply", "divide", "multiply"):
        value = {"kind": kind, "of": [value, _AMOUNT, *([_BIG] if kind == "multiply" else [])]}
    times = [{"kind": "time_since", "of": moment, "unit": unit} for moment in _EXTREME_MOMENTS for unit in ("hours",)]
    average = {**_SUM, "function": "average"}
    return [value, {"kind": "divide", "of": [average, _AMOUNT]}, *times, *_EXTREME_MOMENTS[2:]]


async def test_what_lies_at_the_end_of_the_world_is_answered(database: Database) -> None:
    """No number, moment or window that gets in makes the database refuse the statement, and with it a whole batch."""
    ends = [datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)]
    people = [
        PlainCustomer(
            events=[PlainEvent("A", end, {"x": amount}) for end in (ends if many else ends[at : at + 1])],
            traits={"moment": moment, "amount": amount},
        )
        for at, moment in ((0, "1000-01-01"), (1, "2999-12-31T23:59:59-14:00"))
        for amount in (1e300, 10**30, -1e-300, 0)
        for many in (True, False)
    ]
    known = {uuid4(): customer for customer in people}
    conditions = [CONDITION.validate_python(tree) for tree in _extreme_conditions()]
    for condition in conditions:
        check_condition(condition)
    expanded = [expand(condition, r.LIBRARY) for condition in conditions]
    values = [expand_value(VALUE.validate_python(tree), r.LIBRARY) for tree in _extreme_values()]
    async with database.transaction() as session:
        connection = await raw(session)
        await _store(connection, known)
        answers = await _live(connection, expanded, list(known), now=r.NOW)
        assert await _everybody(connection, expanded, now=r.NOW) == answers
        for position, leaves in enumerate(expanded):
            members = await _members(connection, leaves, now=r.NOW)
            assert members == {key for key in known if answers[key][position][0]}
        compiled = COMPILER.values(values)
        sql = _finite(compiled.sql, "u", len(values))
        assert len(await connection.fetch(sql, r.NOW, list(known), *compiled.parameters)) == len(people)
        await session.rollback()
