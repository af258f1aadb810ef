"""Ranks by points: the way to the next one, expiry by the calendar, and ranks another system decided."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from services.profile.tests.integration.test_computed_traits import call, settled, views
from services.profile.tests.profile_facts import identify, purchase

from contracts.profile import RankChanged, SegmentEntered
from servicekit.testing import RunningService

POINTS = {
    "rules": [
        {
            "event": "Order Completed",
            "amount_of": "revenue",
            "per": 10,
            "valid": [{"calendar": "year"}, {"calendar": "year", "offset": -1}],
        }
    ]
}
RANKS = {
    "measure": {"kind": "computed", "key": "points"},
    "ranks": [
        {"key": "silver", "name": "Silver", "threshold": 100},
        {"key": "gold", "name": "Gold", "threshold": 300},
    ],
}


async def with_ranks(profile: RunningService, ranks: Any = RANKS) -> None:
    await call(profile, "PUT", "computed-traits/points", {"name": "Points", "points": POINTS}, 201)
    await call(profile, "PUT", "ranks/default", ranks, 201)
    await settled(profile)


async def until(profile: RunningService, moment: datetime) -> None:
    profile.clock.set(moment)
    for _ in range(300):
        connection = await profile.database.connect()
        due = await connection.fetchval("SELECT count(*) FROM customer_ranks WHERE valid_until <= $1", moment)
        await connection.close()
        if not due:
            return await settled(profile)
        await profile.drain()
    raise AssertionError("it did not expire")


async def test_a_rank_is_reached_told_how_far_and_lost_after_the_next_year(profile: RunningService) -> None:
    await with_ranks(profile)
    near = {"kind": "value", "of": {"kind": "distance_to_next_rank"}, "comparison": "le", "value": 100}
    await call(profile, "PUT", "segments/near", {"name": "Near", "condition": near}, 201)
    await call(profile, "POST", "segments/near:publish")
    await settled(profile)
    customer, now = uuid4(), profile.clock.now()
    await profile.publish([purchase(customer, now, 2050)])
    await profile.drain()
    [changed] = await profile.published(RankChanged)
    assert (changed.rank_key, changed.former_rank_key) == ("silver", None)
    assert [fact.customer_id for fact in await profile.published(SegmentEntered)] == [customer]  # 100 points to gold
    [view] = await views(profile, customer)
    assert view["points"] == "205"
    assert view["next_rank"] == {"key": "gold", "name": "Gold", "missing": "95"}
    [stranger] = await views(profile, uuid4())
    assert (stranger["rank"], stranger["next_rank"]["key"], stranger["next_rank"]["missing"]) == (None, "silver", "100")

    new_year_in_tokyo = datetime(2027, 12, 31, 15, tzinfo=UTC)
    await until(profile, datetime(2026, 12, 31, 15, tzinfo=UTC))
    [view] = await views(profile, customer)
    assert (view["rank"]["key"], view["points"]) == ("silver", "205")  # of the year before
    await profile.publish([purchase(customer, datetime(2027, 6, 1, tzinfo=UTC), 500)])
    profile.clock.set(datetime(2027, 6, 1, tzinfo=UTC))
    await profile.drain()
    await until(profile, new_year_in_tokyo)
    [view] = await views(profile, customer)
    assert (view["rank"], view["points"], view["next_rank"]["missing"]) == (None, "50", "50")
    assert [(fact.former_rank_key, fact.rank_key) for fact in await profile.published(RankChanged)] == [
        (None, "silver"),
        ("silver", None),
    ]


async def test_a_rank_another_system_decided_stands_beside_measured_ones(profile: RunningService) -> None:
    def imported(key: str) -> dict[str, Any]:
        condition = {"kind": "trait", "trait": "loyalty_rank", "comparison": "eq", "value": key}
        return {"key": key, "name": key.title(), "condition": condition}

    silver, gold = RANKS["ranks"]
    ranks = [silver, imported("red"), gold, imported("black")]
    await with_ranks(profile, {**RANKS, "ranks": ranks})
    customer, red, now = uuid4(), uuid4(), profile.clock.now()
    await profile.publish([identify(customer, now, loyalty_rank="black"), purchase(customer, now, 50)])
    await profile.publish([identify(red, now, loyalty_rank="red"), purchase(red, now, 50)])
    await profile.drain()
    view, second = await views(profile, customer, red)
    assert (second["rank"]["key"], second["next_rank"]) == ("red", {"key": "gold", "name": "Gold", "missing": "295"})
    assert (view["rank"]["key"], view["points"], view["next_rank"]) == ("black", "5", None)
    read = await call(profile, "GET", "ranks/default")
    assert [(each["key"], each["threshold"], each["size"]) for each in read["ranks"]] == [
        ("silver", "100", 0),
        ("red", None, 1),
        ("gold", "300", 0),
        ("black", None, 1),
    ]
    near = {"kind": "value", "of": {"kind": "distance_to_next_rank"}, "comparison": "le", "value": 300}
    assert (await call(profile, "POST", "segments:preview", {"condition": near}))["sample"] == [str(red)]


async def test_what_does_not_fit_together_is_refused(profile_at_rest: RunningService) -> None:
    profile = profile_at_rest

    async def refused(ranks: Any) -> str:
        answer = await call(profile, "PUT", "ranks/default", ranks, 422)
        field: str = answer["errors"][0]["field"]
        return field

    silver, gold = RANKS["ranks"]
    assert await refused({"ranks": [silver]}) == "ranks.0.threshold"
    count = {"kind": "events", "function": "count", "event": "Order Completed"}
    assert await refused({"measure": count, "ranks": [gold, silver]}) == "ranks.1.threshold"
    assert await refused({"measure": {**count, "function": "last"}, "ranks": [silver]}) == "measure"
    itself = {"kind": "add", "of": [count, {"kind": "points"}]}
    await call(profile, "PUT", "ranks/default", {"measure": count, "ranks": [silver]}, 201)
    assert await refused({"measure": itself, "ranks": [silver]}) == "measure.of.1.table"
    near = {"kind": "value", "of": {"kind": "distance_to_next_rank"}, "comparison": "le", "value": 100}
    await call(profile, "PUT", "segments/near", {"name": "Near", "condition": near}, 201)
    await call(profile, "POST", "segments/near:publish")
    condition = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
    answer = await call(
        profile, "PUT", "ranks/default", {"ranks": [{"key": "any", "name": "Any", "condition": condition}]}, 422
    )
    assert "segment near" in answer["detail"]
