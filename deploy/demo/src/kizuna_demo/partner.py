"""The partner's DMP says which of its ids are whose: by hashed e-mail addresses, in signed webhooks."""

from collections.abc import Callable, Iterator
from hashlib import sha256

from kizuna_demo.platform import Json, Platform, chunks, encode_json
from kizuna_demo.progress import Synced
from kizuna_demo.webhooks import Webhooks
from kizuna_demo.world import World, partner_profiles
from servicekit.clock import Clock

SOURCE = "partner-dmp"
NAMESPACE = "partner_dmp_id"
_LINKS_A_REQUEST = 1000


def id_syncs(world: World) -> Iterator[Json]:
    """A link for everybody whose address the partner knows: its own id, and the hash of that address."""
    for profile in partner_profiles(world):
        if profile.is_synced and profile.person.email:
            yield {
                "identifiers": [
                    {"namespace": NAMESPACE, "value": profile.dmp_id},
                    {"namespace": "email", "sha256": sha256(profile.person.email.encode()).hexdigest()},
                ],
                "occurred_at": world.midnight.isoformat(),
            }


async def sync_ids(platform: Platform, world: World, *, clock: Clock, on_progress: Callable[[int], None]) -> Synced:
    """Send all links; returns when identity has them.

    The webhooks' ids are fixed: what an interrupted story had sent is dropped as a repetition.
    """
    webhooks = await Webhooks.of(platform, source=SOURCE, kind="id-syncs", clock=clock)
    synced = Synced()
    for number, links in enumerate(chunks(list(id_syncs(world)), _LINKS_A_REQUEST)):
        answer = await webhooks.send(f"demo-{world.today}-{number}", encode_json({"links": links}))
        synced.accepted += answer["accepted"]
        synced.rejected += len(answer["rejected"])
        on_progress(len(links))
    return synced
