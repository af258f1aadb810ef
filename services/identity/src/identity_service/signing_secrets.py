"""Signing secrets at rest: sealed with a key that is not in the database."""

import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from identity_service.write_keys import read_secret

_PURPOSE = b"kizuna/identity/signing-secrets"
_NONCE_BYTES = 12


class SecretBox:
    """Seals a source's secret so that only this service, and only for that source, opens it (AES-256-GCM)."""

    def __init__(self, secret_file: Path) -> None:
        self._secret_file = secret_file
        self._cipher: AESGCM | None = None

    def seal(self, secret: bytes, *, source_id: str) -> bytes:
        """Return nonce and ciphertext."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._open_cipher().encrypt(nonce, secret, source_id.encode())

    def open(self, sealed: bytes, *, source_id: str) -> bytes | None:
        """Return the secret; None when it was sealed with another key or for another source."""
        try:
            return self._open_cipher().decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], source_id.encode())
        except InvalidTag:
            return None

    def _open_cipher(self) -> AESGCM:
        if self._cipher is None:
            key = HKDF(algorithm=SHA256(), length=32, salt=None, info=_PURPOSE).derive(read_secret(self._secret_file))
            self._cipher = AESGCM(key)
        return self._cipher
