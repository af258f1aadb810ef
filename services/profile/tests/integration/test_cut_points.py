"""Cut points over HTTP and NATS: taken by schedule and on demand, asked for, scored by, kept as history."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from services.profile.tests.integration.test_computed_traits import SPENT, call, put, settled, views
from services.profile.tests.profile_facts import event, purchase

from contracts.profile import SegmentEntered, SegmentExited
from profile_service.conditions import Compiler
from profile_service.rules.schedules import Timing, next_time
from profile_service.service.schedules import Cutter
from servicekit.database import Database
from servicekit.testing import RunningService

TOKYO = ZoneInfo("Asia/Tokyo")


async def taken(profile: RunningService) -> None:
    """Wait until nothing is due and everybody is evaluated."""
    for _ in range(300):
        await settled(profile)
        connection = await profile.database.connect()
        due = await connection.fetchval("SELECT count(*) FROM schedules WHERE next_at <= $1", profile.clock.now())
        await connection.close()
        if not due:
            return await settled(profile)
    raise AssertionError("it was not taken")


async def with_best(profile: RunningService, percent: int = 20, of: Any = "monetary") -> None:
    condition = {"kind": "percentile", "of": of, "position": "top", "percent": percent}
    await call(profile, "PUT", "segments/best", {"name": "Best", "condition": condition}, 201)
    await call(profile, "POST", "segments/best:publish")


async def members(profile: RunningService) -> set[UUID]:
    answer = await call(profile, "GET", "customers?segment=best&first=1000")
    return {UUID(item["customer_id"]) for item in answer["items"]}


async def test_scores_and_shares_follow_each_new_cut(profile: RunningService) -> None:
    people, now = [uuid4() for _ in range(10)], profile.clock.now()
    bought = [
        purchase(person, now - timedelta(days=20 - place), 10 * place + 10) for place, person in enumerate(people)
    ]
    visitor = uuid4()
    await profile.publish([*bought, event(visitor, "Product Viewed", now)])
    await profile.drain()
    await with_best(profile)
    await settled(profile)
    assert await members(profile) == set()  # no cut points yet
    for subject in ("recency", "frequency", "monetary"):
        await call(profile, "PUT", f"cut-points/{subject}", {"every": "week", "day": 1, "at": "03:00"}, 201)
    await taken(profile)
    assert await members(profile) == set(people[8:])
    assert {fact.reason for fact in await profile.published(SegmentEntered)} == {"definition"}
    scores = [view["rfm_scores"] for view in await views(profile, *people, visitor)]
    assert [each["monetary"] for each in scores[:10]] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert [each["recency"] for each in scores[:10]] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert {each["frequency"] for each in scores[:10]} == {5}  # all alike: ties are in
    assert scores[10] is None

    await profile.publish([purchase(people[0], now, 500)])  # beyond the cut: in at once
    await profile.drain()
    assert await members(profile) == {people[0], *people[8:]}
    schedule = await call(profile, "GET", "cut-points/monetary")
    assert datetime.fromisoformat(schedule["next_at"]).astimezone(TOKYO).isoformat() == "2026-11-23T03:00:00+09:00"
    profile.clock.set(datetime.fromisoformat(schedule["next_at"]))
    await wake(profile, "monetary")
    assert await members(profile) == {people[0], people[9]}  # the next cut
    [exited] = await profile.published(SegmentExited)
    assert (exited.customer_id, exited.reason) in {(people[8], "definition"), (people[8], "time")}
    history = await call(profile, "GET", "cut-points/monetary/versions?first=1")
    [newest] = history["items"]
    assert (newest["version"], newest["customers"], newest["at_least"]["80"]) == (2, 10, "100")
    history = await call(profile, "GET", f"cut-points/monetary/versions?first=5&after={history['next']}")
    assert [(each["version"], each["at_least"]["80"], each["at_most"]["20"]) for each in history["items"]] == [
        (1, "90", "20")
    ]
    assert history["next"] is None


async def wake(profile: RunningService, subject: str) -> None:
    """Its time has come: the worker looks every few seconds, and at once when it is asked."""
    await call(profile, "POST", f"cut-points/{subject}:cut", status=202)
    await taken(profile)


async def test_cut_points_forgotten_and_taken_again_are_not_taken_for_those_before(profile: RunningService) -> None:
    people, now = [uuid4() for _ in range(5)], profile.clock.now()

    async def scores() -> list[int | None]:
        await call(profile, "PUT", "cut-points/monetary", {}, 201)
        await taken(profile)
        found = [view["rfm_scores"] for view in await views(profile, *people)]
        await call(profile, "DELETE", "cut-points/monetary", status=204)
        return [each and each["monetary"] for each in found]

    await profile.publish([event(people[0], "Product Viewed", now)])
    await profile.drain()
    await call(profile, "PUT", "cut-points/monetary", {}, 201)
    await taken(profile)
    await profile.publish([purchase(person, now, 10 * place) for place, person in enumerate(people)])
    await profile.drain()
    assert [view["rfm_scores"] for view in await views(profile, *people)] == [None] * 5  # nobody had bought by then
    await call(profile, "DELETE", "cut-points/monetary", status=204)
    assert await scores() == [1, 2, 3, 4, 5]
    await profile.publish([purchase(people[0], now, 1000)])
    await profile.drain()
    assert await scores() == [5, 1, 2, 3, 4]


async def test_a_computed_trait_is_cut_again_when_it_changes(profile: RunningService) -> None:
    people, now = [uuid4() for _ in range(4)], profile.clock.now()
    await profile.publish([purchase(person, now, 10 * place) for place, person in enumerate(people)])
    await profile.drain()
    await put(profile, "spent", SPENT)
    await call(profile, "PUT", "cut-points/computed:spent", {"every": "day", "at": "04:00"}, 201)
    await taken(profile)
    await with_best(profile, 25, {"kind": "computed", "key": "spent"})
    await settled(profile)
    assert await members(profile) == {people[3]}
    least = {"kind": "subtract", "of": [{"kind": "constant", "value": 0}, SPENT]}
    await put(profile, "spent", least, 200)
    await taken(profile)
    assert await members(profile) == {people[0]}
    text = {"kind": "events", "event": "Order Completed", "function": "most_frequent", "property": "category"}
    await put(profile, "spent", text, 422)
    refusal = await call(profile, "DELETE", "cut-points/computed:spent", status=409)
    assert "segment best" in refusal["detail"]
    await call(profile, "PUT", "cut-points/computed:nothing", {}, 404)
    for wrong in ({"every": "day", "day": 1}, {"every": "week", "day": 8}):
        refusal = await call(profile, "PUT", "cut-points/recency", wrong, 422)
        assert [error["field"] for error in refusal["errors"]] == ["day"], wrong


async def test_what_was_due_while_nobody_ran_is_taken_later(profile_at_rest: RunningService) -> None:
    profile = profile_at_rest
    answer = await call(profile, "PUT", "cut-points/recency", {"every": "month", "day": 1}, 201)
    assert (answer["version"], answer["next_at"]) == (0, profile.clock.now().isoformat().replace("+00:00", "Z"))
    profile.clock.set(profile.clock.now() + timedelta(days=90))
    compiler, database = Compiler(promoted={"revenue": "revenue"}), Database(profile.database.url, pool_size=1)
    cutter = Cutter(database=database, compiler=compiler, clock=profile.clock, wake_backfill=lambda _: None)
    assert await cutter.step()
    assert not await cutter.step()  # once, not once for each month that was missed
    await database.close()
    answer = await call(profile, "GET", "cut-points/recency")
    assert (answer["version"], answer["next_at"]) == (1, "2027-02-28T18:00:00Z")
    rfm = {"event": "Order Completed", "property": "revenue", "window": {"days": 365}}
    assert (await call(profile, "PUT", "rfm", rfm, 201))["version"] == 1
    wrong = {**rfm, "window": {"calendar": "year", "zone": "Nowhere/Land"}}
    refusal = await call(profile, "PUT", "rfm", wrong, 422)
    assert refusal["errors"][0]["field"] == "window.zone"
    unordered: list[object] = [{"property": "gift", "comparison": "lt", "value": True}]
    refusal = await call(profile, "PUT", "rfm", {**rfm, "where": unordered}, 422)
    assert refusal["errors"][0]["field"] == "where.0.comparison"


@pytest.mark.parametrize(
    ("timing", "expected"),
    [
        (Timing(every="day", at="12:01"), "2026-11-20T12:01+09:00"),
        (Timing(every="day", at="12:00"), "2026-11-21T12:00+09:00"),
        (Timing(every="week", day=5, at="03:00"), "2026-11-27T03:00+09:00"),
        (Timing(every="week", at="03:00"), "2026-11-23T03:00+09:00"),
        (Timing(every="month", day=20, at="13:00"), "2026-11-20T13:00+09:00"),
        (Timing(every="month", day=19), "2026-12-19T03:00+09:00"),
    ],
)
def test_the_next_time(timing: Timing, expected: str) -> None:
    noon = datetime(2026, 11, 20, 3, tzinfo=UTC)
    assert next_time(timing, after=noon, zone=TOKYO) == datetime.fromisoformat(expected)
