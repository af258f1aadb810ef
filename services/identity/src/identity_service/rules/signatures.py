"""Signatures of what partners send, by Standard Webhooks (https://www.standardwebhooks.com, `v1`: HMAC-SHA256)."""

import hmac
import secrets
from base64 import b64decode, b64encode
from datetime import datetime, timedelta
from hashlib import sha256

TOLERANCE = timedelta(minutes=5)
"""How far the sender's clock may be from ours; what is older may be a recorded request sent again."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - says what kind of text it is
SECRET_BYTES = 32
MAX_ID_LENGTH = 200
_MAX_SIGNATURES = 10
"""A sender that changes its secret signs with both for a while; nobody has this many."""


def new_signing_secret() -> bytes:
    """Return a key nobody can guess."""
    return secrets.token_bytes(SECRET_BYTES)


def written_secret(secret: bytes) -> str:
    """Return a secret as Standard Webhooks libraries take it."""
    return SECRET_PREFIX + b64encode(secret).decode()


def sent_at(timestamp: str) -> datetime | None:
    """Read `webhook-timestamp` (seconds since 1970), or None."""
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 11:
        return None
    return datetime.fromisoformat("1970-01-01T00:00:00+00:00") + timedelta(seconds=int(timestamp))


def signature_problem(
    body: bytes, *, webhook_id: str, timestamp: str, signatures: str, secret: bytes, now: datetime
) -> str | None:
    """Say why a request is not what its sender signed just now; None when it is."""
    if not 1 <= len(webhook_id) <= MAX_ID_LENGTH or not webhook_id.isascii() or not webhook_id.isprintable():
        return f"webhook-id must have 1 to {MAX_ID_LENGTH} characters."
    sent = sent_at(timestamp)
    if sent is None:
        return "webhook-timestamp must be seconds since 1970."
    if abs(now - sent) > TOLERANCE:
        return "webhook-timestamp is more than 5 minutes from our clock. Sign each attempt anew."
    expected = hmac.digest(secret, f"{webhook_id}.{timestamp}.".encode() + body, sha256)
    # every signature is compared, so that the time taken says nothing
    matches = [hmac.compare_digest(_decoded(one), expected) for one in signatures.split(" ")[:_MAX_SIGNATURES]]
    return None if any(matches) else "No signature in webhook-signature is that of this body."


def _decoded(signature: str) -> bytes:
    version, _, encoded = signature.partition(",")
    if version != "v1":
        return b""
    try:
        return b64decode(encoded, validate=True)
    except ValueError:
        return b""
