"""Signed tokens inside mails: which message, which link. Compact, and useless for anything else.

A token is base64url of `kind (1 byte) | link index (1) | message id (16) | HMAC-SHA256 of those, first 16 bytes (128
bits)`, 46 characters. The kind is signed, so that the token of a pixel cannot unsubscribe anybody.
"""

import base64
import binascii
import hmac
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

Kind = Literal["open", "click", "unsubscribe"]

_KINDS: dict[Kind, bytes] = {"open": b"o", "click": b"c", "unsubscribe": b"u"}
_SIGNATURE_BYTES = 16
_PAYLOAD_BYTES = 18
_TOKEN_CHARACTERS = 46
MAX_LINKS = 256


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says; `link` counts from 0 and only means something for a click."""

    message_id: UUID
    link: int = 0


class TokenSigner:
    """Makes and verifies tokens with one secret; white space around it in its file does not count."""

    def __init__(self, secret_file: Path) -> None:
        """Take the file the secret stands in; it is read by `load`, or with the first use."""
        self._file = secret_file
        self._loaded: bytes | None = None

    async def load(self) -> None:
        """Read the secret now, so that a missing one ends the start and not the first mail.

        Raises:
            OSError: the file cannot be read.
            ValueError: the secret is shorter than 32 bytes.
        """
        self._secret()

    def _secret(self) -> bytes:
        if self._loaded is None:
            secret = self._file.read_bytes().strip()
            if len(secret) < 32:
                raise ValueError(f"{self._file.name}: the secret for links in mails needs at least 32 bytes.")
            self._loaded = secret
        return self._loaded

    def _signature(self, payload: bytes) -> bytes:
        return hmac.digest(self._secret(), payload, "sha256")[:_SIGNATURE_BYTES]

    def sign(self, kind: Kind, message_id: UUID, link: int = 0) -> str:
        """Return the token; `link` is 0 to 255."""
        payload = _KINDS[kind] + bytes((link,)) + message_id.bytes
        return base64.urlsafe_b64encode(payload + self._signature(payload)).decode("ascii").rstrip("=")

    def verify(self, kind: Kind, token: str) -> Token | None:
        """Return what a token of this kind says, or None when it is not one of ours."""
        if len(token) != _TOKEN_CHARACTERS or not token.isascii():
            return None
        try:
            content = base64.b64decode(token + "==", altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        payload, signature = content[:_PAYLOAD_BYTES], content[_PAYLOAD_BYTES:]
        if payload[:1] != _KINDS[kind] or not hmac.compare_digest(signature, self._signature(payload)):
            return None
        return Token(message_id=UUID(bytes=payload[2:]), link=payload[1])
