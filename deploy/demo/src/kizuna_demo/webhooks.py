"""Requests that a partner signs, after Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256."""

import hmac
from base64 import b64decode, b64encode
from hashlib import sha256

import aiohttp
import msgspec

from kizuna_demo.errors import StoryError
from kizuna_demo.patience import patiently, refuse_busy
from kizuna_demo.platform import Json, Platform
from servicekit.clock import Clock

_TIMEOUT = aiohttp.ClientTimeout(total=60)


def sign(body: bytes, *, secret: str, webhook_id: str, timestamp: int) -> str:
    """`webhook-signature` of a body; `secret` as `:rotateSigningSecret` says it, `timestamp` in seconds since 1970."""
    key = b64decode(secret.removeprefix("whsec_"))
    signed = hmac.digest(key, f"{webhook_id}.{timestamp}.".encode() + body, sha256)
    return f"v1,{b64encode(signed).decode()}"


class Webhooks:
    """One partner's webhooks; each attempt is signed anew, since a signature holds for five minutes."""

    def __init__(self, platform: Platform, *, source: str, kind: str, secret: str, clock: Clock) -> None:
        """`kind`: `id-syncs` or `remarks`."""
        self._session = platform.session
        self._address = f"{platform.credentials.address('identity')}/v1/partners/{source}/{kind}"
        self._secret = secret
        self._clock = clock

    @classmethod
    async def of(cls, platform: Platform, *, source: str, kind: str, clock: Clock) -> "Webhooks":
        """With a new secret: it is said once, so each telling asks for its own; nobody else signs for this partner."""
        rotated = await platform.post("identity", f"/v1/sources/{source}:rotateSigningSecret", {})
        return cls(platform, source=source, kind=kind, secret=rotated["signing_secret"], clock=clock)

    async def send(self, webhook_id: str, body: bytes) -> Json:
        """Send until it is taken. An id that was sent before is a repetition, which identity drops."""
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
