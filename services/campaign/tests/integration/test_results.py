"""What came of it: outcomes of messages, coupons, purchases in the window, lift."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

from services.campaign.tests.integration.campaign_world import (
    SEND,
    START,
    Marketer,
    Settle,
    StandInProfile,
    entered,
    event,
    later,
)
from sqlalchemy import text

from campaign_service.rules.arms import draw_arm
from campaign_service.rules.measurement import difference_of_proportions
from contracts.campaign import MessageRequested
from contracts.delivery import MessageBounced, MessageClicked, MessageFailed, MessageOpened, MessageSent
from servicekit.clock import FrozenClock
from servicekit.testing import RunningService


async def results_when(marketer: Marketer, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    """The campaign's results, as soon as they are as wanted."""
    results: dict[str, Any] = {}
    for _ in range(300):
        results = await marketer.get("/v1/campaigns/dormant/results")
        if holds(results):
            return results
        await asyncio.sleep(0.05)
    raise AssertionError(results)


async def refreshed(marketer: Marketer) -> dict[str, Any]:
    """The results after everybody was read again."""
    asked = await marketer.post("/v1/campaigns/dormant/results:refresh")
    return await results_when(marketer, lambda results: (results["as_of"] or "") >= asked["requested_at"])


def of(request: MessageRequested, **fields: Any) -> dict[str, Any]:
    """A message fact's fields."""
    return {
        "event_id": uuid4(),
        "customer_id": request.customer_id,
        "anchor_id": request.anchor_id,
        "occurred_at": START + later(minutes=1),
        "message_id": request.message_id,
        "run_id": request.run_id,
        "campaign_key": request.campaign_key,
        "channel": "email",
        "template_key": request.template_key,
    } | fields


async def test_reached_opened_clicked_failed_count_customers_once(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    await marketer.set_up(steps=[{"key": "offer", **SEND}])
    await service.publish([entered() for _ in range(5)])
    await settle()
    one, two, three, four, _ = await service.published(MessageRequested)
    sent = [MessageSent(**of(request)) for request in (one, two, three)]
    opened = MessageOpened(**of(one))
    await service.publish([opened, *sent, *sent])  # opened may overtake sent
    await service.publish(
        [opened, MessageOpened(**of(two)), MessageClicked(**of(two), link="shop", url="https://a.test")]
    )
    await service.publish([MessageClicked(**of(two), link="news", url="https://a.test")])
    await service.publish([MessageBounced(**of(three), kind="hard"), MessageBounced(**of(one), kind="soft")])
    await service.publish([MessageFailed(**of(four), reason="no_permission")])
    await service.publish([MessageSent(**of(four, message_id=uuid4(), campaign_key=None))])  # no campaign's message
    await settle()
    treatment = (await marketer.get("/v1/campaigns/dormant/results"))["treatment"]
    assert {name: treatment[name] for name in ("customers", "reached", "opened", "clicked", "failed")} == {
        "customers": 5, "reached": 2, "opened": 2, "clicked": 1, "failed": 2,
    }  # fmt: skip


async def test_purchases_in_the_window_become_lift(
    service: RunningService, marketer: Marketer, settle: Settle, profile: StandInProfile, clock: FrozenClock
) -> None:
    await marketer.set_up()
    facts = [entered() for _ in range(1200)]
    await service.publish(facts)
    await settle()
    arms = {fact.customer_id: draw_arm(fact.customer_id, "dormant", 20) for fact in facts}
    treated = [customer for customer, arm in arms.items() if arm == "treatment"]
    held_out = [customer for customer, arm in arms.items() if arm == "holdout"]
    day = later(days=1)
    profile.purchases += [(customer, START + day, Decimal("12.50")) for customer in treated[:100]]
    profile.purchases += [(treated[0], START + 2 * day, Decimal(100)), (held_out[0], START + day, Decimal(40))]
    profile.purchases += [(treated[1], START - day, Decimal(999)), (treated[2], START + 14 * day, Decimal(999))]
    clock.advance(3 * day)
    results = await results_when(marketer, lambda each: each["as_of"] is not None)
    assert (
        results["treatment"] | {"customers": len(treated), "purchasers": 100, "purchases": 101} == results["treatment"]
    )
    assert Decimal(results["treatment"]["revenue"]) == Decimal(1350)
    assert results["holdout"] == {
        "customers": len(held_out), "purchasers": 1, "purchases": 1, "revenue": results["holdout"]["revenue"],
    }  # fmt: skip
    expected = difference_of_proportions(100, len(treated), 1, len(held_out))
    assert expected is not None
    lift = results["lift"]
    assert (lift["difference"], lift["low"], lift["high"]) == (expected.estimate, expected.low, expected.high)
    assert lift["metric"] == "conversion_rate"
    assert lift["confidence"] == 0.95
    assert results["revenue_lift"]["low"] < results["revenue_lift"]["difference"] < results["revenue_lift"]["high"]
    assert {len(body["windows"]) for body in profile.asked} == {1000, 200}
    assert profile.asked[0] | {"event": "Order Completed", "sum_property": "revenue", "where": []} == profile.asked[0]


async def test_readings_repeat_while_the_window_is_open_and_end_after_it(
    service: RunningService, marketer: Marketer, settle: Settle, profile: StandInProfile, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=[{"key": "offer", **SEND}])
    fact = entered()
    await service.publish([fact])
    await settle()
    assert (await marketer.get("/v1/campaigns/dormant/results"))["as_of"] is None
    clock.advance(later(seconds=300))
    await results_when(marketer, lambda each: each["as_of"] is not None)
    await asyncio.sleep(0.3)
    assert len(profile.asked) == 1  # not before the next is due
    profile.purchases.append((fact.customer_id, START + later(days=13), Decimal(5)))
    clock.advance(later(days=20))
    await results_when(marketer, lambda each: each["treatment"]["purchases"] == 1)
    clock.advance(later(days=20))
    await asyncio.sleep(0.3)
    assert len(profile.asked) == 2  # finally read
    profile.purchases.append((fact.customer_id, START + later(days=12), Decimal(7)))  # an event that came very late
    results = await refreshed(marketer)
    assert results["treatment"]["purchases"] == 2


async def test_profile_down_means_later(
    service: RunningService, marketer: Marketer, settle: Settle, profile: StandInProfile, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=[{"key": "offer", **SEND}])
    await service.publish([entered()])
    await settle()
    profile.is_down = True
    asked = await marketer.post("/v1/campaigns/dormant/results:refresh")
    assert asked["assignments"] == 1
    await asyncio.sleep(0.3)
    results = await marketer.get("/v1/campaigns/dormant/results")
    assert results["as_of"] is None
    assert results["lift"]["difference"] is None  # nobody was held out
    profile.is_down = False
    clock.advance(later(seconds=31))
    await results_when(marketer, lambda each: each["as_of"] is not None)


async def test_a_refresh_during_a_reading_reads_again(
    service: RunningService, marketer: Marketer, settle: Settle, profile: StandInProfile, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=[{"key": "offer", **SEND}])
    fact = entered()
    await service.publish([fact])
    await settle()
    reading, going_on = asyncio.Event(), asyncio.Event()

    async def rest() -> None:
        reading.set()
        await going_on.wait()

    profile.before_answer = rest
    await marketer.post("/v1/campaigns/dormant/results:refresh")
    await reading.wait()
    profile.purchases.append((fact.customer_id, START + later(minutes=1), Decimal(5)))
    clock.advance(later(minutes=2))
    asked = await marketer.post("/v1/campaigns/dormant/results:refresh")
    going_on.set()
    results = await results_when(marketer, lambda each: (each["as_of"] or "") >= asked["requested_at"])
    assert results["treatment"]["purchases"] == 1


async def test_coupons_are_single_and_redeemed_by_purchases(
    service: RunningService, marketer: Marketer, settle: Settle
) -> None:
    await marketer.set_up(steps=[{"key": "offer", **SEND, "coupon": {"prefix": "BACK", "kind": "single_use"}}])
    await service.publish([entered() for _ in range(10)])
    await settle()
    codes = [request.variables["coupon"] for request in await service.published(MessageRequested)]
    assert len(set(codes)) == 10
    first = event("Order Completed", coupon=f" {codes[0].lower()} ")
    again = event("Order Completed", coupon=codes[0], at=START + later(days=1))
    strange = [event("Order Completed", coupon=value) for value in ("BACK-000000000000", 7, None, ["x"], "x" * 500)]
    await service.publish([first, again, *strange, event("Product Viewed", coupon=codes[1])])
    await settle()
    assert (await marketer.get("/v1/campaigns/dormant/results"))["coupons"] == {"issued": 10, "redeemed": 1}
    async with service.database.transaction() as session:
        redeemed_by = list(await session.scalars(text("SELECT redeemed_by FROM coupons WHERE status = 'redeemed'")))
    assert redeemed_by == [first.event_id]


async def test_another_goal_reads_everybody_again(
    service: RunningService, marketer: Marketer, settle: Settle, profile: StandInProfile, clock: FrozenClock
) -> None:
    await marketer.set_up(steps=[{"key": "offer", **SEND}])
    await service.publish([entered()])
    await settle()
    await refreshed(marketer)
    goal = {"event": "Subscribed", "sum_property": None, "window_days": 30}
    clock.advance(later(seconds=1))
    await marketer.put("/v1/campaigns/dormant", {"name": "Dormant", "goal": goal})
    await results_when(marketer, lambda each: datetime.fromisoformat(each["as_of"]) == clock.now())
    assert (profile.asked[-1]["event"], profile.asked[-1]["sum_property"]) == ("Subscribed", None)
