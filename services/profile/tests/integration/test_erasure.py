"""A customer is erased: timeline, traits and everything concluded go, and stay gone."""

from datetime import timedelta
from uuid import UUID, uuid4

from services.profile.tests.profile_facts import event, identify, moved, purchase

from contracts.identity import CustomerErased
from contracts.profile import ProfileCustomerErased, SegmentExited
from servicekit.testing import RunningService, tables_that_mention

BUYER = {"kind": "event_count", "event": "Order Completed", "comparison": "ge", "value": 1}
CANARY = "Kanaria-7431"


def erased(profile: RunningService, customer_id: UUID, *former: UUID) -> CustomerErased:
    return CustomerErased(
        event_id=uuid4(),
        customer_id=customer_id,
        anchor_id=customer_id,
        occurred_at=profile.clock.now(),
        erasure_id=uuid4(),
        former_customer_ids=list(former),
    )


async def mentioned_in(profile: RunningService, *words: str) -> set[str]:
    connection = await profile.database.connect()
    try:
        return set(await tables_that_mention(connection, words))
    finally:
        await connection.close()


async def test_everything_of_an_erased_customer_goes_and_nothing_late_brings_it_back(profile: RunningService) -> None:
    headers, now = profile.headers(), profile.clock.now()
    await profile.client.put("/v1/segments/buyer", json={"name": "buyer", "condition": BUYER}, headers=headers)
    await profile.client.post("/v1/segments/buyer:publish", headers=headers)
    ranks = {"ranks": [{"key": "gold", "name": "Gold", "condition": BUYER}]}
    await profile.client.put("/v1/ranks/default", json=ranks, headers=headers)
    customer, former, cookie, other = uuid4(), uuid4(), uuid4(), uuid4()
    facts = [
        identify(customer, now - timedelta(days=3), name=CANARY),
        purchase(former, now - timedelta(days=2), 20, anchor_id=cookie, remark=CANARY),
        purchase(other, now - timedelta(days=2), 10),
    ]
    await profile.publish([*facts, moved(cookie, former=former, to=customer, occurred_at=now)])
    await profile.drain()
    assert await mentioned_in(profile, CANARY) == {"events", "trait_observations", "traits"}

    await profile.publish([erased(profile, customer, former)])
    await profile.drain()
    (receipt,) = await profile.published(ProfileCustomerErased)
    assert receipt.customer_id == customer
    assert receipt.rows["events"] == 2
    assert {"customers", "customer_ranks", "segment_memberships"} <= receipt.rows.keys()
    late = [
        identify(customer, now - timedelta(days=9), name=CANARY),
        event(former, CANARY, now, anchor_id=cookie),
        event(uuid4(), CANARY, now, anchor_id=cookie),
    ]
    await profile.publish([*facts[:2], *late])
    await profile.drain()
    profile.clock.advance(timedelta(days=400))
    await profile.publish([identify(other, profile.clock.now(), name="someone else")])
    await profile.drain()

    assert await mentioned_in(profile, CANARY) == set()
    # a backfill's place may be any customer's id; that one leads nowhere any more
    mentioned = await mentioned_in(profile, str(customer), str(former)) - {"backfills"}
    assert mentioned == {"erased_customers", "erasure_work", "anchors"}
    assert [fact for fact in await profile.published(SegmentExited) if fact.customer_id == customer] == []
    body = {"customer_ids": [str(customer), str(other)]}
    answer = await profile.client.post("/v1/customers:batchGet", json=body, headers=profile.headers())
    gone, still_there = answer.json()["customers"]
    assert gone["traits"] == []
    assert still_there["rfm"]["frequency"] == 1


async def test_everything_held_is_shown(profile: RunningService) -> None:
    now, customer, former = profile.clock.now(), uuid4(), uuid4()
    await profile.publish(
        [identify(customer, now, name=CANARY), event(former, "Called", now), event(uuid4(), "x", now)]
    )
    await profile.drain()
    answer = await profile.client.get(
        f"/v1/customers/{customer}/export",
        params={"former_customer_ids": str(former)},
        headers=profile.headers("privacy:read"),
    )
    tables = answer.json()["tables"]
    assert sorted(row["name"] for row in tables["events"]) == ["Called", "Identified"]
    assert [row["value"] for row in tables["trait_observations"]] == [CANARY]
