"""Ids and codes that are derived, not drawn: doing the same thing again names the same thing again."""

import hmac
from hashlib import sha256
from uuid import UUID, uuid5

_RUNS = UUID("8f0f4f5e-3c0a-5d63-9d0e-6f5a3a0c7a11")
_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: no I, L, O, U, which people misread
_CODE_LENGTH = 12


def run_id(journey_key: str, customer_id: UUID, cause: str) -> UUID:
    """Name the run that `cause` (an event's id, say) starts for a customer."""
    return uuid5(_RUNS, f"{journey_key}/{customer_id}/{cause}")


def effect_id(run: UUID, step_key: str, visit: int) -> UUID:
    """Name what a run does at one visit of one step: the message's or invitation's id."""
    return uuid5(run, f"{step_key}/{visit}")


def fact_id(thing: UUID, fact_type: str) -> UUID:
    """Name the fact that says something about a thing once."""
    return uuid5(thing, fact_type)


def coupon_code(prefix: str, effect: UUID, secret: bytes) -> str:
    """Return `PREFIX-` and 12 letters (60 bits) that nobody guesses without the secret."""
    number = int.from_bytes(hmac.digest(secret, effect.bytes, sha256)[:8], "big")
    letters = "".join(_ALPHABET[number >> 5 * place & 31] for place in range(_CODE_LENGTH))
    return f"{prefix}-{letters}"


def same_code(text: str) -> str:
    """Return a code as it is stored: what a customer or a till typed, without blanks, in capitals."""
    return "".join(text.split()).upper()
