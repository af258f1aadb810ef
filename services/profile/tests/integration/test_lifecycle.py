"""The lifecycle: exactly one state at any time, as a plain reading has it; time moves it; changes are facts."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from services.profile.tests.integration.test_computed_traits import call, settled, views
from services.profile.tests.profile_facts import event, moved, purchase

from contracts.profile import LifecycleChanged, RankChanged
from profile_service.app import build
from profile_service.conditions import Compiler, Library, expand
from profile_service.rules.lifecycle import STATES, Lifecycle, lifecycle_conditions
from servicekit.database import Database, raw
from servicekit.embedded.postgres import EmbeddedPostgres
from servicekit.testing import RunningService, create_database

NOW = datetime(2026, 11, 20, 3, tzinfo=UTC)
DAY = timedelta(days=1)


def plain_state(lifecycle: Lifecycle, purchases: list[datetime], now: datetime) -> str:
    """The state as docs/values.md tells it."""
    bought = sorted(moment for moment in purchases if moment <= now)
    if not bought:
        return "new"
    silent = now - bought[-1]
    came_back = len(bought) > 1 and bought[-1] - bought[-2] >= lifecycle.dormant_days * DAY
    if came_back and silent < lifecycle.won_back_days * DAY:
        return "won_back"
    if silent >= lifecycle.dormant_days * DAY:
        return "dormant"
    if silent >= lifecycle.going_dormant_days * DAY:
        return "going_dormant"
    lately = [moment for moment in bought if now - moment < lifecycle.loyal_window_days * DAY]
    if len(lately) >= lifecycle.loyal_purchases:
        return "loyal"
    if len(bought) > 1:
        return "active"
    return "second_purchase_due" if silent >= lifecycle.second_purchase_due_days * DAY else "new"


@st.composite
def lifecycles(draw: st.DrawFn) -> Lifecycle:
    second, going, dormant = sorted(draw(st.lists(st.integers(2, 60), min_size=3, max_size=3, unique=True)))
    return Lifecycle(
        second_purchase_due_days=second,
        going_dormant_days=going,
        dormant_days=dormant,
        won_back_days=draw(st.integers(1, going)),
        loyal_purchases=draw(st.integers(2, 4)),
        loyal_window_days=draw(st.integers(5, 90)),
    )


@pytest.fixture
async def database(postgres: EmbeddedPostgres) -> AsyncIterator[Database]:
    database = Database(await create_database(postgres, build), pool_size=1)
    yield database
    await database.close()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lifecycle=lifecycles(),
    histories=st.lists(st.lists(st.integers(0, 200), max_size=6), min_size=1, max_size=4),
    aheads=st.lists(st.integers(0, 150), min_size=1, max_size=4),
)
async def test_exactly_one_state_at_any_time_as_a_plain_reading_has_it(
    database: Database, lifecycle: Lifecycle, histories: list[list[int]], aheads: list[int]
) -> None:
    people = {uuid4(): [NOW - days * DAY for days in history] for history in histories}
    trees = lifecycle_conditions(lifecycle)
    compiled = Compiler(promoted={"revenue": "revenue"}).live([expand(tree, Library()) for _, tree in trees])
    async with database.transaction() as session:
        connection = await raw(session)
        await connection.executemany(
            "INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, properties) "
            "VALUES ($1, $2, $3, $1, 'track', 'Order Completed', 'test', '{}')",
            [(person, moment, uuid4()) for person, bought in people.items() for moment in bought],
        )
        for ahead in aheads:
            now = NOW + ahead * DAY
            for row in await connection.fetch(compiled.sql, now, list(people), *compiled.parameters):
                state = next(state for place, (state, _) in enumerate(trees) if row[f"m{place}"])
                assert state == plain_state(lifecycle, people[row["customer_id"]], now)
        await session.rollback()


async def states_noted(profile: RunningService) -> list[tuple[str | None, str]]:
    return [(fact.former_state, fact.state) for fact in await profile.published(LifecycleChanged)]


async def pass_time(profile: RunningService, days: int) -> None:
    profile.clock.set(profile.clock.now() + days * DAY)
    for _ in range(300):
        connection = await profile.database.connect()
        due = await connection.fetchval(
            "SELECT count(*) FROM customer_lifecycle WHERE valid_until <= $1", profile.clock.now()
        )
        await connection.close()
        await profile.drain()
        if not due:
            return await profile.drain()
    raise AssertionError("it did not move")


async def test_a_customer_goes_through_all_states_and_others_are_told(profile: RunningService) -> None:
    default = await call(profile, "GET", "lifecycle")
    assert (default["version"], [state["key"] for state in default["states"]]) == (0, list(STATES))
    customer = uuid4()
    [before] = await views(profile, customer)
    assert before["lifecycle"] == "new"
    await profile.publish([event(customer, "Product Viewed", profile.clock.now())])
    await profile.drain()
    assert await states_noted(profile) == []
    await call(profile, "PUT", "lifecycle", default["definition"], 201)
    await settled(profile)
    steps = [(0, "new"), (14, "second_purchase_due"), (0, "active"), (0, "active"), (0, "loyal")]
    steps += [(120, "going_dormant"), (120, "dormant"), (0, "won_back"), (60, "loyal")]
    for days, state in steps:
        if days:
            await pass_time(profile, days)
        else:
            await profile.publish([purchase(customer, profile.clock.now(), 10)])
            await profile.drain()
        [view] = await views(profile, customer)
        assert view["lifecycle"] == state
    expected = ["new", "second_purchase_due", "active", "loyal", "going_dormant", "dormant", "won_back", "loyal"]
    assert await states_noted(profile) == [(None, "new"), *pairwise(expected)]
    assert await profile.published(RankChanged) == []


async def test_a_condition_asks_for_states_and_follows_new_thresholds(profile: RunningService) -> None:
    condition = {"kind": "lifecycle", "states": ["dormant", "going_dormant"]}
    await call(profile, "PUT", "segments/leaving", {"name": "Leaving", "condition": condition}, 201)
    await call(profile, "POST", "segments/leaving:publish")
    customer, now = uuid4(), profile.clock.now()
    await profile.publish([purchase(customer, now - 60 * DAY, 10)])
    await profile.drain()
    await settled(profile)
    assert (await call(profile, "GET", "customers?segment=leaving"))["items"] == []
    thresholds = {"going_dormant_days": 50, "dormant_days": 90, "won_back_days": 30}
    await call(profile, "PUT", "lifecycle", thresholds, 201)
    await settled(profile)
    [member] = (await call(profile, "GET", "customers?segment=leaving"))["items"]
    assert member["customer_id"] == str(customer)
    for wrong, field in (
        ({"dormant_days": 40}, "dormant_days"),
        ({"won_back_days": 51}, "won_back_days"),
        ({"second_purchase_due_days": 50}, "going_dormant_days"),
    ):
        refusal = await call(profile, "PUT", "lifecycle", thresholds | wrong, 422)
        assert [error["field"] for error in refusal["errors"]] == [field], wrong
    refusal = await call(profile, "PUT", "lifecycle", {"second_purchase_due_days": 130}, 422)
    assert refusal["errors"][0]["field"] == "going_dormant_days"  # its default is too short
    where = [{"property": "gift", "comparison": "lt", "value": True}]
    refusal = await call(profile, "PUT", "lifecycle", {**thresholds, "where": where}, 422)
    assert refusal["errors"][0]["field"] == "where.0.comparison"


async def test_whoever_turns_out_to_be_one_has_one_state(profile: RunningService) -> None:
    await call(profile, "PUT", "lifecycle", {}, 201)
    one, other, now = uuid4(), uuid4(), profile.clock.now()
    await profile.publish([purchase(one, now - DAY, 10), purchase(other, now, 10)])
    await profile.drain()
    await profile.publish([moved(other, former=other, to=one, occurred_at=now)])
    await profile.drain()
    assert [view["lifecycle"] for view in await views(profile, one)] == ["active"]
    assert [(fact.customer_id, fact.state) for fact in await profile.published(LifecycleChanged)][2:] == [
        (one, "active")
    ]
    connection = await profile.database.connect()
    assert await connection.fetch("SELECT customer_id, rank_key FROM customer_lifecycle") == [(one, "active")]
    await connection.close()
