"""The chapter "What do we know, right now?": values, segments, signs, relatives, what is bought next, departments,
bought data and what leaves. Read `learn_what_we_know` from top to bottom; every step may be repeated."""

import asyncio
from pathlib import Path

from kizuna_demo.cast import COUNTER, GIFT_REMINDER, draw_cast, new_names
from kizuna_demo.cdnow import TOKYO
from kizuna_demo.configuration import WHAT_WE_KNOW, apply_documents
from kizuna_demo.departments import (
    CRM,
    agree_on_policy,
    compare_views,
    read_circulation,
    speaking_for,
    use_each_others,
)
from kizuna_demo.finer_segments import TOP_TENTH, gather_segments, invite, publish_finer_segments
from kizuna_demo.loading import tell_events
from kizuna_demo.narration import Narrator
from kizuna_demo.next_purchases import gather_next, take_lifts, tell_orders
from kizuna_demo.outside_data import buy_data, export_anonymised, gather_outside
from kizuna_demo.platform import Json, Platform, read_credentials
from kizuna_demo.relatives import gather_relatives, tell_birthdays, wait_for_birthdays
from kizuna_demo.signs import expected_signs, gather_signs, tell_remarks, wait_for_signs
from kizuna_demo.values import gather_values, put_values
from kizuna_demo.world import World
from servicekit.clock import Clock

QUERY = """\
{
  customerByIdentifier(namespace: "user_id", value: "%s") {
    rank { name } points nextRank { name missing } lifecycle computed
    rfmScores { recency frequency monetary }
    signs { name meaning strength detectedAt expiresAt }
    remarks(first: 3) { text source topics { name kind } opinion }
    relations(purpose: "%s") { relation occasion date }
    nextCategories { fromCategory toCategory lift }
    trait(name: "lastName") {
      value winner { source department }
      observations { edges { node { value source lostBecause } } }
    }
    segments { name since }
  }
  signCoverage { customers inASituation share }
}
"""


async def learn_what_we_know(
    platform: Platform, world: World, *, credentials_path: Path, clock: Clock, narrator: Narrator
) -> Json:
    """Tell the chapter; returns its figures, each as the platform says it."""
    home = credentials_path.parent
    cast = draw_cast(world)
    with narrator.step("Values: presets, RFM, lifecycle"):
        await apply_documents(credentials_path, "Source", chapter=WHAT_WE_KNOW)
        platform = Platform(platform.session, read_credentials(credentials_path))
        await put_values(platform, credentials_path)
    crm = speaking_for(platform, CRM, home=home, clock=clock)
    with narrator.step("Segments and signs, over everybody"):
        await publish_finer_segments(platform, crm, credentials_path)
        await invite(crm)
    with narrator.step("Simulated: remarks, florist, appliances"):
        async with asyncio.TaskGroup() as group:
            group.create_task(tell_remarks(platform, world, cast, clock=clock))
            group.create_task(tell_birthdays(platform, world, cast))
            group.create_task(tell_orders(platform, world, cast))
            group.create_task(tell_events(platform, COUNTER, new_names(world, cast)))
    with narrator.step("Seen live: signs, dates of relatives"):
        await wait_for_signs(platform, await expected_signs(platform, cast))
        await wait_for_birthdays(platform, cast)
    with narrator.step("What is bought next"):
        await take_lifts(platform, world, cast, credentials_path)
    with narrator.step("Departments: a policy, and what circulates"):
        await agree_on_policy(credentials_path)
        views = await compare_views(platform, cast.example.user_id, home=home, clock=clock)
        used = await use_each_others(platform, TOP_TENTH, home=home, clock=clock)
        circulation = await read_circulation(platform, addressed=used["addressed"])
    with narrator.step("Bought data in, anonymised data out"):
        bought = await buy_data(platform, world)
        export = await export_anonymised(platform, world)
    with narrator.step("Asking for the figures"):
        query = QUERY % (cast.example.user_id, GIFT_REMINDER)
        return {
            "values": await gather_values(platform),
            "segments": await gather_segments(platform),
            "signs": await gather_signs(platform, cast),
            "relatives": await gather_relatives(platform, world, cast, on=clock.now().astimezone(TOKYO).date()),
            "next_category": await gather_next(platform, world, cast),
            "departments": {"views": views, "used": used, "circulation": circulation},
            "outside": await gather_outside(platform, bought=bought, export=export),
            "query": query,
            "answer": await platform.graphql(query),
        }
