"""Personal links: who may answer which invitation until when, in a token that cannot be guessed or changed."""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

_PURPOSE = b"kizuna survey link v1\0"
_ID_BYTES, _EXPIRY_BYTES, _SIGNATURE_BYTES = 16, 5, 16
TOKEN_LENGTH = 50
"""Characters of every token."""
MINIMUM_KEY_LENGTH = 32


class Link(NamedTuple):
    """What a token says."""

    invitation_id: UUID
    expires_at: datetime


class LinkSigner:
    """Signs and reads tokens: HMAC-SHA256 cut to 128 bits over (invitation, expiry in whole seconds).

    `keys` gives the keys when the first token is needed (the first signs, all verify); `address` is what stands before
    `/f/`.
    """

    def __init__(self, keys: Callable[[], Sequence[str]], *, address: str) -> None:
        self._read_keys = keys
        self._address = address.rstrip("/")

    @cached_property
    def _keys(self) -> list[bytes]:
        return [key.encode() for key in self._read_keys()]

    def token(self, link: Link) -> str:
        """Return the token of a link."""
        payload = link.invitation_id.bytes + int(link.expires_at.timestamp()).to_bytes(_EXPIRY_BYTES, "big")
        return base64.urlsafe_b64encode(payload + _signature(self._keys[0], payload)).decode().rstrip("=")

    def url(self, link: Link) -> str:
        """Return the address a customer opens."""
        return f"{self._address}/f/{self.token(link)}"

    def read(self, token: str) -> Link | None:
        """Return what a token says (whether it has expired is the caller's to tell), or None when it is not ours."""
        payload = self._verified(token)
        if payload is None:
            return None
        seconds = int.from_bytes(payload[_ID_BYTES:], "big")
        return Link(UUID(bytes=payload[:_ID_BYTES]), datetime.fromtimestamp(seconds, UTC))

    def _verified(self, token: str) -> bytes | None:
        if len(token) != TOKEN_LENGTH or not token.isascii():
            return None
        try:
            data = base64.b64decode(token + "==", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        payload, signature = data[:-_SIGNATURE_BYTES], data[-_SIGNATURE_BYTES:]
        good = [hmac.compare_digest(signature, _signature(key, payload)) for key in self._keys]
        return payload if any(good) else None


def _signature(key: bytes, payload: bytes) -> bytes:
    return hmac.new(key, _PURPOSE + payload, hashlib.sha256).digest()[:_SIGNATURE_BYTES]
