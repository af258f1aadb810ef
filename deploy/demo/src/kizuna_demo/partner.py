"""The partner's DMP says which of its ids are whose: by hashed e-mail addresses, in signed webhooks.

The signature is that of Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over id, time and body.
"""

import hmac
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256

import aiohttp
import msgspec

from kizuna_demo.errors import StoryError
from kizuna_demo.patience import patiently, refuse_busy
from kizuna_demo.platform import Json, Platform, chunks, encode_json
from kizuna_demo.progress import Synced
from kizuna_demo.world import World, partner_profiles
from servicekit.clock import Clock

SOURCE = "partner-dmp"
NAMESPACE = "partner_dmp_id"
_LINKS_A_REQUEST = 1000
_TIMEOUT = aiohttp.ClientTimeout(total=60)


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


def sign(body: bytes, *, secret: str, webhook_id: str, timestamp: int) -> str:
    """`webhook-signature` of a body; `secret` as `:rotateSigningSecret` says it, `timestamp` in seconds since 1970."""
    key = b64decode(secret.removeprefix("whsec_"))
    signed = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, sha256)
    return f"v1,{b64encode(signed).decode()}"


async def sync_ids(platform: Platform, world: World, *, clock: Clock, on_progress: Callable[[int], None]) -> Synced:
    """Send all links; returns when identity has them.

    The secret is said once, so each telling asks for a new one: nobody else signs for this partner. The webhooks' ids
    are fixed: what an interrupted story had sent is dropped as a repetition.
    """
    rotated = await platform.post("identity", f"/v1/sources/{SOURCE}:rotateSigningSecret", {})
    webhooks = _Webhooks(platform, secret=rotated["signing_secret"], clock=clock)
    synced = Synced()
    for number, links in enumerate(chunks(list(id_syncs(world)), _LINKS_A_REQUEST)):
        answer = await webhooks.send(f"demo-{world.today}-{number}", encode_json({"links": links}))
        synced.accepted += answer["accepted"]
        synced.rejected += len(answer["rejected"])
        on_progress(len(links))
    return synced


class _Webhooks:
    """Signed requests; each attempt is signed anew, since a signature holds for five minutes."""

    def __init__(self, platform: Platform, *, secret: str, clock: Clock) -> None:
        self._session = platform.session
        self._address = f"{platform.credentials.address('identity')}/v1/partners/{SOURCE}/id-syncs"
        self._secret = secret
        self._clock = clock

    async def send(self, webhook_id: str, body: bytes) -> Json:
        return await patiently(lambda: self._attempt(webhook_id, body), what=self._address)

    async def _attempt(self, webhook_id: str, body: bytes) -> Json:
        timestamp = int(self._clock.now().timestamp())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": webhook_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(body, secret=self._secret, webhook_id=webhook_id, timestamp=timestamp),
        }
        async with self._session.post(self._address, data=body, headers=headers, timeout=_TIMEOUT) as response:
            text = await response.read()
            refuse_busy(response)
            if response.status != 200:
                raise StoryError(f"{self._address} refused a webhook: HTTP {response.status} {text[:500]!r}")
            answer: Json = msgspec.json.decode(text)
            return answer
