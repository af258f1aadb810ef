"""Ids: derived ones, which a repetition derives again, and new ones, which sort by age."""

import os
from collections.abc import Callable
from hashlib import blake2b
from uuid import UUID

from asyncpg.pgproto import pgproto

# pgproto.UUID is a uuid.UUID, made ten times faster, and taken by the driver as it is
_VERSION_8, _VARIANT = 0x80, 0x80
_COUNTER_BITS = 12


def derived_id(*parts: str) -> UUID:
    """Return the UUID (version 8) that these texts always give."""
    digest = bytearray(blake2b("\0".join(parts).encode(), digest_size=16).digest())
    digest[6] = digest[6] & 0x0F | _VERSION_8
    digest[8] = digest[8] & 0x3F | _VARIANT
    new: UUID = pgproto.UUID(bytes(digest))
    return new


class TimeOrderedIds:
    """Makes UUIDs of version 7 (RFC 9562) that grow strictly within a process: an older customer has the smaller id."""

    def __init__(self, milliseconds: Callable[[], int]) -> None:
        self._milliseconds = milliseconds
        self._last = 0
        self._randomness, self._used = b"", 0

    def __call__(self) -> UUID:
        """Return the next id: 48 bits of time, 12 of a counter within the millisecond, 62 random."""
        self._last = max(self._last + 1, self._milliseconds() << _COUNTER_BITS)
        time, counter = self._last >> _COUNTER_BITS, self._last & ((1 << _COUNTER_BITS) - 1)
        number = time << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | self._random_bits()
        new: UUID = pgproto.UUID(number.to_bytes(16))
        return new

    def _random_bits(self) -> int:
        """62 random bits; the system is asked for many at once, for a call costs more than an id."""
        if self._used == len(self._randomness):
            self._randomness, self._used = os.urandom(8 * 512), 0
        self._used += 8
        return int.from_bytes(self._randomness[self._used - 8 : self._used]) >> 2
