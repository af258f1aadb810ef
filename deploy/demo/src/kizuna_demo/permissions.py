"""Opt-ins given at registration: who permits mail about offers and surveys, recorded with their basis."""

from collections.abc import Callable, Iterator

from kizuna_demo.platform import Json, Platform, chunks
from kizuna_demo.world import World, registration_times

TOPICS = ("offers", "surveys")


def opt_ins(world: World) -> Iterator[Json]:
    """One statement per topic of everybody who opted in, made on the day of the first purchase."""
    registered = registration_times(world)
    for person in world.people:
        if person.opted_in:
            for topic in TOPICS:
                yield {
                    "channel": "email",
                    "value": person.email,
                    "topic": topic,
                    "status": "granted",
                    "basis": "opt_in_form",
                    "recorded_at": registered[person.user_id],
                }


async def record_opt_ins(platform: Platform, world: World, *, on_progress: Callable[[int], None]) -> int:
    """Tell delivery; saying it again is harmless. Returns how many statements were made."""
    statements = list(opt_ins(world))
    for some in chunks(statements):
        await platform.post("delivery", "/v1/permissions:record", {"permissions": some})
        on_progress(len(some))
    return len(statements)
