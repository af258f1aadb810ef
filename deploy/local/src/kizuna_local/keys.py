"""Signing keys, made once, and the tokens signed with them.

Every issuer has an Ed25519 key of its own: `kizuna` for people, `service:<name>` for the services. The public halves
are in one JSON Web Key Set that every service reads.
"""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import OKPAlgorithm

from kizuna_local.addresses import PROCESSES, SERVICES
from kizuna_local.errors import LauncherError
from kizuna_local.home import Home, write_private
from servicekit.clock import Clock

USER_ISSUER = "kizuna"
AUDIENCE = "kizuna"
DEPARTMENT = "it"
"""The department that the launcher's own tokens speak for."""
ALL_SCOPES = (
    *(f"{service}:{right}" for service in SERVICES for right in ("read", "write")),
    "identity:decide",
    "privacy:read",
    "privacy:write",
    "insights:read",
    "insights:write",
    "exports:read",
    "exports:write",
    "policy:read",
    "policy:write",
    "circulation:read",
    "gateway:read",
)
"""`identity:decide`: to merge, split and undo. `privacy:*`: to erase, and to disclose all that is held. `insights:*`:
bought data about segments. `exports:*`: anonymised exports of our own. `policy:*`: who may
read what. `circulation:read`: what departments gave and used. The gateway has no data of its own: its scope is for its
metrics."""


def signing_key_file(home: Home, name: str) -> Path:
    """The private key (PEM) of `kizuna` or of a service."""
    return home.keys / f"{name}.pem"


def jwks_file(home: Home) -> Path:
    """The public keys of every issuer."""
    return home.keys / "jwks.json"


def ensure_keys(home: Home) -> None:
    """Make the keys that are missing and write the key set."""
    issuers = {USER_ISSUER: USER_ISSUER, **{name: f"service:{name}" for name in PROCESSES}}
    public_keys = [_public_jwk(_ensure_key(signing_key_file(home, name)), issuer) for name, issuer in issuers.items()]
    write_private(jwks_file(home), json.dumps({"keys": public_keys}, indent=2))


def issue_user_token(
    home: Home,
    *,
    clock: Clock,
    scopes: Sequence[str],
    department: str,
    brands: Sequence[str] = (),
    legal_entity: str | None = None,
    purposes: Sequence[str] = (),
    lifetime: timedelta = timedelta(days=30),
) -> str:
    """A token for a person. Raises LauncherError before the first start, which makes the keys."""
    file = signing_key_file(home, USER_ISSUER)
    if not file.exists():
        raise LauncherError(f"There are no keys in {home.keys} yet. `kizuna up` makes them.")
    issued_at = clock.now()
    claims = {
        "iss": USER_ISSUER,
        "sub": "local",
        "aud": AUDIENCE,
        "iat": issued_at,
        "exp": issued_at + lifetime,
        "scope": " ".join(scopes),
        "department": department,
        "brands": list(brands),
        "purposes": list(purposes),
    } | ({"legal_entity": legal_entity} if legal_entity else {})
    return jwt.encode(claims, _load_key(file), algorithm="EdDSA", headers={"kid": USER_ISSUER})


def _ensure_key(file: Path) -> Ed25519PrivateKey:
    if file.exists():
        return _load_key(file)
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    write_private(file, pem.decode("ascii"))
    return key


def _load_key(file: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(file.read_bytes(), password=None)
    except ValueError as error:
        raise LauncherError(
            f"{file} is not a key. Restore it from a backup, or `kizuna reset` and begin anew."
        ) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise LauncherError(f"{file} is not an Ed25519 key. `kizuna reset` and begin anew.")
    return key


def _public_jwk(key: Ed25519PrivateKey, issuer: str) -> dict[str, str]:
    public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**public, "kid": issuer, "alg": "EdDSA", "use": "sig"}
