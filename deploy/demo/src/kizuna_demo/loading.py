"""The world goes in through the public ingest, and comes out on timelines."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kizuna_demo.cdnow import PURCHASES
from kizuna_demo.errors import StoryError
from kizuna_demo.narration import Narrator
from kizuna_demo.permissions import TOPICS, record_opt_ins
from kizuna_demo.platform import Platform
from kizuna_demo.segment_spec import Event
from kizuna_demo.waiting import wait_until
from kizuna_demo.world import World, told_by_crm, told_by_partner, told_by_shop, told_by_web


@dataclass(frozen=True, slots=True)
class Told:
    """How much was told: `events` through the ingest, `permissions` to delivery. Both appear on timelines."""

    events: int
    permissions: int

    @property
    def expected(self) -> int:
        """Entries on timelines once everything has arrived."""
        return self.events + self.permissions


async def tell_the_world(platform: Platform, world: World, *, narrator: Narrator) -> Told:
    """All four sources tell what they know.

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
            permissions = group.create_task(record_opt_ins(platform, world, on_progress=opt_ins.advance))
    with narrator.step("Web: browsing, partly turning known") as bar:
        web = await tell_events(platform, "web", told_by_web(world), on_progress=bar.advance)
    with narrator.step("Partner's DMP: its ids for a part") as bar:
        partner = await tell_events(platform, "partner-dmp", told_by_partner(world), on_progress=bar.advance)
    return Told(events=events + shop.result() + web + partner, permissions=permissions.result())


async def tell_events(
    platform: Platform, source: str, events: Iterable[Event], *, on_progress: Callable[[int], None] = lambda _: None
) -> int:
    """One source tells its events; returns how many. Raises StoryError when one was rejected."""
    told = await platform.ingest(source).tell(events, on_progress=on_progress)
    if told.rejected:
        raise StoryError(f"{told.rejected} events of {source} were rejected: see GET /v1/rejections at identity.")
    return told.events


async def wait_for_timelines(platform: Platform, told: Told, *, narrator: Narrator) -> int:
    """Wait until everything is on its customer's timeline; returns how many entries those have.

    Raises StoryError when the number of purchases is not the file's: something was lost or counted twice.
    """
    with narrator.step("Linked, and on timelines", total=told.expected) as bar:
        totals = await wait_until(
            lambda: platform.get("profile", "/v1/totals"),
            lambda totals: bool(totals["events"] >= told.expected and totals["purchases"] >= PURCHASES),
            what=f"{told.expected} events and permissions should be on timelines",
            on_change=lambda totals: bar.reach(totals["events"]),
        )
    if totals["purchases"] != PURCHASES:
        raise StoryError(f"There are {totals['purchases']} purchases on timelines; the file has {PURCHASES}.")
    return int(totals["events"])
