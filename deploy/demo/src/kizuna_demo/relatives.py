"""Value for data: the florist asks the spouse's birthday at checkout, and reminds a week before. For nothing else."""

from collections.abc import Iterable
from datetime import date

from kizuna_demo.cast import FLORIST, GIFT_REMINDER, Cast, birthdays_of_spouses, told_by_florist, within_days
from kizuna_demo.check import look_up
from kizuna_demo.loading import tell_events
from kizuna_demo.platform import Json, Platform, refusal
from kizuna_demo.waiting import wait_until
from kizuna_demo.world import World

SEGMENT = "spouse-birthday-in-7-days"
AHEAD_DAYS = 7
OTHER_PURPOSE = "advertising"


async def tell_birthdays(platform: Platform, world: World, cast: Cast) -> int:
    """At the florist's checkout, through the front door."""
    return await tell_events(platform, FLORIST, told_by_florist(world, cast))


async def wait_for_birthdays(platform: Platform, cast: Cast) -> None:
    """All dates are known for the purpose they were given for."""
    customers = await look_up(platform, [person.user_id for person in cast.givers])
    await wait_until(
        lambda: _given_for(platform, customers.values(), GIFT_REMINDER),
        lambda found: len(found) == len(cast.givers),
        what=f"{len(cast.givers)} dates of spouses should be known",
    )


async def gather_relatives(platform: Platform, world: World, cast: Cast, *, on: date) -> Json:
    """Who is reminded this week, and what is said to somebody with another purpose."""
    customers = await look_up(platform, [person.user_id for person in cast.givers])
    given = await _given_for(platform, customers.values(), GIFT_REMINDER)
    soon = within_days(birthdays_of_spouses(world, cast), on=on, ahead=AHEAD_DAYS)
    segment = await platform.get("profile", f"/v1/segments/{SEGMENT}")
    one = given[0]
    path = f"/v1/customers/{one['customer_id']}/relations/{one['relation_id']}"
    return {
        "purpose": GIFT_REMINDER,
        "given": len(given),
        "ahead_days": AHEAD_DAYS,
        "within_days": segment["size"],
        "expected": len({customers[user_id] for user_id in soon}),
        "other_purpose": OTHER_PURPOSE,
        "seen_for_other_purpose": len(await _given_for(platform, customers.values(), OTHER_PURPOSE)),
        "refused": await refusal(platform.get("profile", path, purpose=OTHER_PURPOSE)),
    }


async def _given_for(platform: Platform, customer_ids: Iterable[str], purpose: str) -> list[Json]:
    wanted = {"customer_ids": sorted(set(customer_ids)), "purpose": purpose}
    answer = await platform.post("profile", "/v1/relations:batchGet", wanted)
    return [relation for customer in answer["customers"] for relation in customer["relations"]]
