"""Signs (予兆) of a changing situation: what was said and done by simulated members is detected while it arrives."""

from kizuna_demo.cast import LISTENING, Cast, remarks, speakers_of_the_competitor
from kizuna_demo.check import look_up
from kizuna_demo.errors import StoryError
from kizuna_demo.people import Person
from kizuna_demo.platform import Json, Platform, encode_json
from kizuna_demo.waiting import wait_until
from kizuna_demo.webhooks import Webhooks
from kizuna_demo.world import World
from servicekit.clock import Clock

COMPETITOR, MARRIAGE = "competitor-interest", "marriage"
REFERENCE_SHARE = 0.15
"""Of the linked base in a situation, as the essays report it of a company that watches for signs (mission.md, M07)."""


async def tell_remarks(platform: Platform, world: World, cast: Cast, *, clock: Clock) -> None:
    """The partner who reads blogs and X tells what was said, in one signed webhook, by the authors' handles."""
    webhooks = await Webhooks.of(platform, source=LISTENING, kind="remarks", clock=clock)
    told = remarks(world, cast)
    answer = await webhooks.send(f"demo-remarks-{world.today}", encode_json({"remarks": told}))
    if answer["rejected"]:
        raise StoryError(f"Remarks were rejected: {answer['rejected'][:3]}")


async def expected_signs(platform: Platform, cast: Cast) -> dict[str, int]:
    """Sign -> how many customers must show it at least: those who said so."""
    return {
        COMPETITOR: await count_customers(platform, speakers_of_the_competitor(cast)),
        MARRIAGE: await count_customers(platform, cast.newlyweds),
    }


async def count_customers(platform: Platform, people: list[Person]) -> int:
    """How many customers these members are: two who were linked are one."""
    return len(set((await look_up(platform, [person.user_id for person in people])).values()))


async def wait_for_signs(platform: Platform, expected: dict[str, int]) -> None:
    """Everybody who said something shows it. Raises StoryError when that does not come to be."""
    await wait_until(
        lambda: platform.get("profile", "/v1/signs:coverage"),
        lambda seen: all(one["customers"] >= expected.get(one["key"], 0) for one in seen["signs"]),
        what=f"signs should be shown by {expected}",
    )


async def gather_signs(platform: Platform, cast: Cast) -> Json:
    """The share of the base in a situation, each sign, and what is known of one who shows one."""
    coverage = await platform.get("profile", "/v1/signs:coverage")
    return {
        **{name: coverage[name] for name in ("customers", "in_a_situation", "share", "signs")},
        "reference_share": REFERENCE_SHARE,
        "expected": await expected_signs(platform, cast),
        "told": {"remarks": len(cast.authors), "newlyweds": len(cast.newlyweds)},
        "example": await _example(platform, cast.example),
    }


async def _example(platform: Platform, person: Person) -> Json:
    """Who said what, and what that means: everything as the platform says it."""
    customer_id = (await look_up(platform, [person.user_id]))[person.user_id]
    asked = {"customer_ids": [customer_id]}
    [view] = (await platform.post("profile", "/v1/customers:batchGet", asked))["customers"]
    [said] = (await platform.post("profile", "/v1/remarks:batchGet", {**asked, "kinds": ["competitor"]}))["customers"]
    return {
        "user_id": person.user_id,
        "rank": view["rank"] and view["rank"]["name"],
        "lifecycle": view["lifecycle"],
        "remark": {name: said["remarks"][0][name] for name in ("text", "site", "source_id", "opinion")},
        "signs": [{name: sign[name] for name in ("key", "name", "meaning", "strength")} for sign in view["signs"]],
    }
