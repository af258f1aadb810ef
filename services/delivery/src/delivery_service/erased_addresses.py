"""Keyed hashes of addresses that were erased: enough to recognise one that comes again, useless to find out which."""

import hmac
from functools import cached_property
from hashlib import sha256
from pathlib import Path

_PURPOSE = b"delivery erased address v1"


class AddressDigests:
    """Digests of addresses under a key of their own, derived from the service's secret; read when first needed."""

    def __init__(self, secret_file: Path) -> None:
        self._file = secret_file

    @cached_property
    def _key(self) -> bytes:
        return hmac.digest(self._file.read_bytes().strip(), _PURPOSE, sha256)

    def digest(self, channel: str, address: str) -> bytes:
        """Return the digest (32 bytes) of a normalised address."""
        return hmac.digest(self._key, f"{channel}\0{address}".encode(), sha256)
