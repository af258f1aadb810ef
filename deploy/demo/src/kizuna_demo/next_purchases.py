"""What is bought next: washing machine -> refrigerator, from what simulated customers bought together."""

from datetime import timedelta
from pathlib import Path

from kizuna_demo.cast import (
    APPLIANCES,
    REFRIGERATOR,
    TRUE_LIFT,
    WASHING_MACHINE,
    Cast,
    baskets,
    lift,
    told_by_appliances,
)
from kizuna_demo.check import look_up
from kizuna_demo.configuration import WHAT_WE_KNOW, apply_documents
from kizuna_demo.loading import tell_events
from kizuna_demo.platform import Json, Platform, chunks
from kizuna_demo.waiting import wait_until
from kizuna_demo.world import World

EVENT = "Appliance Bought"


async def tell_orders(platform: Platform, world: World, cast: Cast) -> int:
    """What the appliance maker's shop sold."""
    return await tell_events(platform, APPLIANCES, told_by_appliances(world, baskets(world, cast)))


async def take_lifts(platform: Platform, world: World, cast: Cast, credentials_path: Path) -> None:
    """Once all orders are on timelines, have lifts taken."""
    drawn = baskets(world, cast)
    customer_ids = sorted(set((await look_up(platform, list(drawn))).values()))
    orders = sum(len(basket) for basket in drawn.values())
    await wait_until(
        lambda: _count_orders(platform, world, customer_ids),
        lambda count: count == orders,
        what=f"{orders} orders of appliances should be on timelines",
    )
    await apply_documents(credentials_path, "NextCategories", chapter=WHAT_WE_KNOW)
    asked = await platform.post("profile", "/v1/next-categories:take", {})
    await wait_until(
        lambda: platform.get("profile", "/v1/next-categories"),
        lambda seen: seen["version"] > asked["version"],
        what="lifts should be taken",
    )


async def _count_orders(platform: Platform, world: World, customer_ids: list[str]) -> int:
    since, until = world.midnight - timedelta(days=1000), world.midnight + timedelta(days=1)
    windows = [
        {"key": customer_id, "customer_id": customer_id, "from": since, "until": until} for customer_id in customer_ids
    ]
    answer = await platform.post("profile", "/v1/conversions:batchGet", {"event": EVENT, "windows": windows})
    return sum(one["count"] for one in answer["conversions"])


async def gather_next(platform: Platform, world: World, cast: Cast) -> Json:
    """The lifts beside plain arithmetic and the truth; whom the washing machine leads to a refrigerator."""
    drawn = baskets(world, cast)
    lifts = await platform.get("profile", "/v1/next-categories/lifts", from_category=WASHING_MACHINE)
    without = [user_id for user_id, basket in drawn.items() if WASHING_MACHINE in basket and REFRIGERATOR not in basket]
    led = await _led_to(platform, list((await look_up(platform, without)).values()), REFRIGERATOR)
    return {
        "customers": len(drawn),
        "orders": sum(len(basket) for basket in drawn.values()),
        "from": WASHING_MACHINE,
        "to": REFRIGERATOR,
        "lifts": lifts["items"],
        "expected_lift": lift(drawn, WASHING_MACHINE, REFRIGERATOR),
        "true_lift": TRUE_LIFT,
        "without": len(without),
        "led": led,
    }


async def _led_to(platform: Platform, customer_ids: list[str], category: str) -> int:
    answers = [
        await platform.post("profile", "/v1/next-categories:batchGet", {"customer_ids": some, "first": 3})
        for some in chunks(sorted(set(customer_ids)))
    ]
    return sum(
        any(one["to_category"] == category for one in customer["categories"])
        for answer in answers
        for customer in answer["customers"]
    )
