"""Keyed hashes of identifiers: partners' hashed values, and what is remembered of erased ones.

A SHA-256 of an e-mail address or telephone number can be guessed by trying them all; with a key that is not in the
database it cannot. Each use has a key of its own, derived by one HMAC, so that digests of one use say nothing about
the other.
"""

import hmac
from functools import lru_cache
from hashlib import sha256

_HASHED_SUFFIX = "_sha256"


@lru_cache(maxsize=8)
def _key(secret: bytes, purpose: str) -> bytes:
    return hmac.digest(secret, f"kizuna/identity/{purpose}".encode(), sha256)


def identifier_digest(value_sha256: bytes, *, secret: bytes) -> bytes:
    """Return the digest (32 bytes) of a value whose SHA-256 (32 bytes, of its normal form) was told."""
    return hmac.digest(_key(secret, "identifier"), value_sha256, sha256)


def digest_of_value(value: str, *, secret: bytes) -> bytes:
    """Return the digest (32 bytes) of a value in its normal form: what a partner that hashes it arrives at."""
    return identifier_digest(sha256(value.encode()).digest(), secret=secret)


def tombstone_digest(namespace: str, value: str, *, secret: bytes) -> bytes:
    """Return the digest (32 bytes) by which an erased identifier is recognised when it comes again."""
    return hmac.digest(_key(secret, "tombstone"), f"{namespace}\0{value}".encode(), sha256)


def hashed_namespace(namespace: str) -> str:
    """Return the namespace of values of this one that are known only by their digest."""
    return f"{namespace}{_HASHED_SUFFIX}"


def tombstones_of(namespace: str, value: str, digest: bytes | None, *, secret: bytes) -> list[bytes]:
    """Return the tombstones of an identifier: of its value and, where its row has a digest, of its hashed form."""
    stones = [tombstone_digest(namespace, value, secret=secret)]
    if digest is not None:
        stones.append(tombstone_digest(hashed_namespace(namespace), digest.hex(), secret=secret))
    return stones
