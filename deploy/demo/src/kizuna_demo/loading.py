"""The world goes in through the public ingest, and comes out on timelines."""

import asyncio
from collections.abc import Callable, Iterable

from kizuna_demo.cdnow import PURCHASES
from kizuna_demo.errors import StoryError
from kizuna_demo.narration import Narrator
from kizuna_demo.permissions import TOPICS, record_opt_ins
from kizuna_demo.platform import Json, Platform
from kizuna_demo.segment_spec import Event
from kizuna_demo.waiting import wait_until
from kizuna_demo.world import World, told_by_crm, told_by_partner, told_by_shop, told_by_web


async def tell_the_world(platform: Platform, world: World, *, narrator: Narrator) -> int:
    """All four sources tell what they know; returns how many events that were.

    Customers are introduced first, so that a purchase finds its customer linked already; while the shop tells its
    purchases, the CRM records who opted in.
    """
    with narrator.step("CRM: who the customers are", total=len(world.people)) as bar:
        events = await tell_events(platform, "crm", told_by_crm(world), on_progress=bar.advance)
    with narrator.steps() as steps:
        purchases = steps.add("Shop: 18 months of purchases", total=PURCHASES)
        opt_ins = steps.add("CRM: who opted in", total=len(TOPICS) * sum(person.opted_in for person in world.people))
        async with asyncio.TaskGroup() as group:
            shop = group.create_task(tell_events(platform, "shop", told_by_shop(world), on_progress=purchases.advance))
            group.create_task(record_opt_ins(platform, world, on_progress=opt_ins.advance))
    with narrator.step("Web: browsing, partly turning known") as bar:
        web = await tell_events(platform, "web", told_by_web(world), on_progress=bar.advance)
    with narrator.step("Partner's DMP: its ids for a part") as bar:
        partner = await tell_events(platform, "partner-dmp", told_by_partner(world), on_progress=bar.advance)
    return events + shop.result() + web + partner


async def tell_events(
    platform: Platform, source: str, events: Iterable[Event], *, on_progress: Callable[[int], None] = lambda _: None
) -> int:
    """One source tells its events; returns how many. Raises StoryError when one was rejected."""
    told = await platform.ingest(source).tell(events, on_progress=on_progress)
    if told.rejected:
        raise StoryError(f"{told.rejected} events of {source} were rejected: see GET /v1/rejections at identity.")
    return told.events


async def wait_for_timelines(platform: Platform, events: int, *, narrator: Narrator) -> Json:
    """Wait until every event is on its customer's timeline; returns profile's totals.

    Raises StoryError when the number of purchases is not the file's: something was lost or counted twice.
    """
    with narrator.step("Linked, and on timelines", total=events) as bar:
        totals = await wait_until(
            lambda: platform.get("profile", "/v1/totals"),
            lambda totals: bool(totals["events"] >= events and totals["purchases"] >= PURCHASES),
            what=f"{events} events should be on timelines",
            on_change=lambda totals: bar.reach(totals["events"]),
        )
    if totals["purchases"] != PURCHASES:
        raise StoryError(f"There are {totals['purchases']} purchases on timelines; the file has {PURCHASES}.")
    return totals
