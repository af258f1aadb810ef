"""A source takes back what it said: of one event, of a customer, of everybody; it is kept, and counts no more."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from services.profile.tests.integration.conftest import START
from services.profile.tests.integration.test_big_moves import FILL
from services.profile.tests.profile_facts import identify, moved, source_changed
from services.profile.tests.recording import Desk
from services.profile.tests.trait_reading import NOTHING

from contracts.profile import SegmentEntered, SegmentExited
from profile_service.repository import traits as repository
from servicekit.testing import RunningService

GOLD = {"kind": "trait", "trait": "plan", "comparison": "eq", "value": "gold"}


async def _retract(profile: RunningService, name: str, **body: Any) -> dict[str, Any]:
    answer = await profile.client.post(
        f"/v1/traits/{name}:retract", json={"why": "typing error", **body}, headers=profile.headers()
    )
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _finished(profile: RunningService, retraction: dict[str, Any]) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while True:
            place = f"/v1/retractions/{retraction['retraction_id']}"
            found: dict[str, Any] = (await profile.client.get(place, headers=profile.headers())).json()
            if found["finished_at"] is not None:
                return found
            await asyncio.sleep(0.02)


async def _value(profile: RunningService, customer: UUID, name: str = "plan") -> Any:
    body = {"customer_ids": [str(customer)]}
    answer = await profile.client.post("/v1/traits:batchGet", json=body, headers=profile.headers())
    return answer.json()["customers"][0]["traits"].get(name)


async def _why(profile: RunningService, customer: UUID) -> list[tuple[Any, str, str | None]]:
    answer = await profile.client.get(f"/v1/customers/{customer}/traits/plan", headers=profile.headers())
    return [(each["value"], each["source_id"], each["lost_because"]) for each in answer.json()["observations"]]


async def test_of_a_customer_at_once_also_what_arrives_late_and_through_merge_and_split(
    profile: RunningService,
) -> None:
    headers, now = profile.headers(), profile.clock.now()
    await profile.client.put("/v1/segments/gold", json={"name": "Gold", "condition": GOLD}, headers=headers)
    await profile.client.post("/v1/segments/gold:publish", headers=headers)
    customer, other = uuid4(), uuid4()
    await profile.publish([source_changed("crm", "sales", now), source_changed("shop", "ec", now)])
    await profile.publish(
        [
            identify(customer, now - timedelta(days=5), source_id="shop", plan="free"),
            identify(customer, now - timedelta(days=4), source_id="crm", plan="silver"),
            identify(customer, now - timedelta(days=3), source_id="crm", plan="gold"),
            identify(other, now - timedelta(days=6), source_id="crm", plan="gold"),
        ]
    )
    await profile.drain()
    retraction = await _retract(profile, "plan", source_id="crm", customer_id=str(customer))
    assert (retraction["retracted"], retraction["asked_by"], retraction["is_for_everybody"]) == (2, "tester", False)
    assert await _value(profile, customer) == "free"
    late = [
        identify(customer, now - timedelta(days=1), source_id="crm", plan="gold"),
        identify(customer, now - timedelta(days=1), source_id="crm", other_trait="stays"),
    ]
    await profile.publish(late)
    await profile.drain()
    assert (await _value(profile, customer), await _value(profile, customer, "other_trait")) == ("free", "stays")
    assert await _why(profile, customer) == [
        ("gold", "crm", "retracted"),
        ("gold", "crm", "retracted"),
        ("silver", "crm", "retracted"),
        ("free", "shop", None),
    ]
    place = f"/v1/customers/{customer}/traits/plan?first=1"
    [newest] = (await profile.client.get(place, headers=headers)).json()["observations"]
    assert (newest["retracted"]["why"], newest["retracted"]["asked_by"]) == ("typing error", "tester")

    await profile.publish([moved(customer, former=customer, to=other, occurred_at=now)])
    await profile.drain()
    assert await _value(profile, other) == "free"  # the later of what counts
    await profile.publish([moved(customer, former=other, to=customer, occurred_at=now, version=2, reason="undo")])
    await profile.drain()
    assert (await _value(profile, customer), await _value(profile, other)) == ("free", "gold")
    await profile.publish([identify(customer, now + timedelta(minutes=1), source_id="crm", plan="gold")])
    await profile.drain()
    assert await _value(profile, customer) == "gold"
    exits = [(fact.customer_id, fact.reason) for fact in await profile.published(SegmentExited)]
    assert exits[0] == (customer, "event")
    entries = [fact.customer_id for fact in await profile.published(SegmentEntered)]
    assert (entries[-1], entries.count(customer)) == (customer, 2)


async def test_of_one_event_and_of_everybody(profile: RunningService) -> None:
    now = profile.clock.now()
    one, two = uuid4(), uuid4()
    wrong = identify(one, now - timedelta(days=3), source_id="crm", plan="gold")
    await profile.publish([source_changed("crm", "sales", now), source_changed("shop", "ec", now)])
    await profile.publish(
        [
            identify(one, now - timedelta(days=4), source_id="crm", plan="silver"),
            wrong,
            identify(two, now - timedelta(days=3), source_id="crm", plan="gold"),
            identify(two, now - timedelta(days=5), source_id="shop", plan="free"),
        ]
    )
    await profile.drain()
    await _retract(profile, "plan", source_id="crm", customer_id=str(one), event_id=str(wrong.event_id))
    assert (await _value(profile, one), await _value(profile, two)) == ("silver", "gold")
    until = (now - timedelta(hours=1)).isoformat()
    job = await _finished(profile, await _retract(profile, "plan", source_id="crm", until=until))
    assert (job["retracted"], job["is_for_everybody"]) == (2, True)
    assert (await _value(profile, one), await _value(profile, two)) == (None, "free")
    newcomer = uuid4()
    await profile.publish(
        [
            identify(newcomer, now - timedelta(hours=2), source_id="crm", plan="gold"),
            identify(one, now, source_id="crm", plan="new"),
        ]
    )
    await profile.drain()
    assert (await _value(profile, newcomer), await _value(profile, one)) == (None, "new")


async def test_a_retraction_of_everybody_reaches_those_who_are_in_motion(a_desk: Desk) -> None:
    """What the job passed by is taken back when it has arrived."""
    customer, to, other = uuid4(), uuid4(), uuid4()
    await a_desk.record([identify(each, START, source_id="crm", plan="gold") for each in (customer, other)])
    await a_desk.fetch("INSERT INTO moving_customers (customer_id, anchor_id) VALUES ($1, $1) RETURNING 1", customer)
    await a_desk.fetch(
        "INSERT INTO trait_retractions "
        "(retraction_id, name, source_id, is_for_everybody, until, why, asked_by, requested_at) "
        "VALUES ($1, 'plan', 'crm', true, $2, 'test', 'tester', $2) RETURNING 1",
        uuid4(),
        START,
    )
    await a_desk.work_on_traits()
    values = "SELECT customer_id, value FROM traits ORDER BY value <> 'null'"
    assert [tuple(row) for row in await a_desk.fetch(values)] == [(other, None), (customer, "gold")]
    for table in ("events", "trait_observations"):
        await a_desk.fetch(f"UPDATE {table} SET customer_id = $1 WHERE anchor_id = $2 RETURNING 1", to, customer)
    async with a_desk.database.transaction() as session:
        await a_desk.follower.recompute(session, [frozenset({customer, to})])
    assert {tuple(row) for row in await a_desk.fetch("SELECT customer_id, value FROM traits")} == {
        (other, None),
        (to, None),
    }


async def test_a_fold_reads_what_each_source_said_last_however_much_there_is(a_desk: Desk) -> None:
    customer = uuid4()
    await a_desk.record([identify(customer, START, source_id=source, points=1) for source in ("crm", "shop")])
    connection = await a_desk.database.connect()
    await connection.execute(FILL, customer, customer, START, 1)
    await connection.execute(
        "INSERT INTO trait_observations (customer_id, name, source_id, observed_at, event_id, anchor_id, value) "
        "SELECT $1, 'points', CASE WHEN n % 2 = 0 THEN 'crm' ELSE 'shop' END, "
        "$2::timestamptz - n * interval '1 second', gen_random_uuid(), $1, '5' FROM generate_series(1, 20000) AS n",
        customer,
        START,
    )
    await connection.execute("VACUUM ANALYZE trait_observations")
    plan = "\n".join(
        row[0]
        for row in await connection.fetch(
            f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF, BUFFERS OFF) {repository._FOLD}",
            [customer],
            ["points"],
        )
    )
    await connection.close()
    assert "Seq Scan on trait_observations" not in plan
    read = [line for line in plan.splitlines() if "trait_observations_pkey" in line]
    assert read, plan
    assert all(float(line.split("actual rows=")[1].split()[0]) <= 2 for line in read), plan


async def test_nothing_that_counts_gives_way_to_whatever_is_said_next(a_desk: Desk) -> None:
    customer = uuid4()
    await a_desk.record([identify(customer, START, source_id="crm", plan="gold")])
    await a_desk.fetch("UPDATE trait_observations SET retraction_id = $1 RETURNING 1", uuid4())
    async with a_desk.database.transaction() as session:
        await repository.fold_traits(session, [(customer, "plan")])
    [row] = await a_desk.fetch("SELECT value, event_id FROM traits")
    assert tuple(row) == NOTHING
    await a_desk.record([identify(customer, START - timedelta(days=400), source_id="shop", plan="free")])
    assert [row["value"] for row in await a_desk.fetch("SELECT value FROM traits")] == ["free"]
