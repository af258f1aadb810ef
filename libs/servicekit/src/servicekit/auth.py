"""Who asks: JSON Web Tokens with scopes, department, brands and legal entity, verified against a key set."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from servicekit.clock import Clock
from servicekit.errors import Forbidden, Unauthorized

AUDIENCE = "kizuna"
ALGORITHMS = ["EdDSA", "RS256"]
SERVICE_ISSUER_PREFIX = "service:"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """Who a token speaks for, and what it may do."""

    subject: str
    issuer: str
    scopes: frozenset[str]
    department: str | None = None
    brands: tuple[str, ...] = ()
    legal_entity: str | None = None
    purposes: tuple[str, ...] = ()
    """The only purposes that may be stated with it; empty: any."""

    @property
    def service(self) -> str | None:
        """Which of the services speaks for itself; None for anybody else."""
        is_service = self.issuer.startswith(SERVICE_ISSUER_PREFIX)
        return self.issuer.removeprefix(SERVICE_ISSUER_PREFIX) if is_service else None


class Authenticator:
    """Verifies tokens with the public keys of `jwks_file`; the file is read again when a token names an unknown key.

    A key is its issuer's: `kid` equals `iss`. Services' own tokens (`service:<name>`) may only carry `:read` scopes.
    """

    _CACHE = 4096

    def __init__(self, jwks_file: Path, *, clock: Clock) -> None:
        self._file = jwks_file
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._read_at: float | None = None
        self._verified: dict[str, tuple[float, Principal]] = {}

    def verify(self, token: str) -> Principal:
        """Return who the token speaks for.

        Raises:
            Unauthorized: it is malformed, expired, for somebody else, or signed by an unknown key.
        """
        now = self._clock.now().timestamp()
        known = self._verified.get(token)
        if known is not None and known[0] > now:
            return known[1]
        claims = self._decode(token)
        if not claims["nbf" if "nbf" in claims else "iat"] - 60 <= now < claims["exp"]:
            raise Unauthorized("The token is expired or not yet valid. Ask for a new one.")
        principal = _principal(claims)
        if len(self._verified) >= self._CACHE:
            self._verified.clear()
        self._verified[token] = (claims["exp"], principal)
        return principal

    def _decode(self, token: str) -> dict[str, Any]:
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            claims: dict[str, Any] = jwt.decode(
                token,
                self._key(key_id),
                algorithms=ALGORITHMS,
                audience=AUDIENCE,
                issuer=key_id,
                # the Clock decides about time, not PyJWT
                options={
                    "require": ["exp", "iat", "iss", "sub", "aud"],
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
            if not all(isinstance(claims[name], int | float) for name in ("exp", "iat")):
                raise Unauthorized("The token's times are not numbers.")
            return claims
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise Unauthorized(
                "The token does not verify. Pass `Authorization: Bearer <token>` with a valid token."
            ) from None

    def _key(self, key_id: str) -> jwt.PyJWK:
        if key_id not in self._keys:
            self._read()
        return self._keys[key_id]

    def _read(self) -> None:
        modified = self._file.stat().st_mtime
        if modified == self._read_at:
            return
        self._read_at = modified
        self._keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(self._file.read_text())["keys"]}


def _principal(claims: dict[str, Any]) -> Principal:
    issuer, scopes = str(claims["iss"]), frozenset(str(claims.get("scope", "")).split())
    if issuer.startswith(SERVICE_ISSUER_PREFIX):
        scopes = frozenset(scope for scope in scopes if scope.endswith(":read"))
    department, legal_entity = claims.get("department"), claims.get("legal_entity")
    return Principal(
        subject=str(claims["sub"]),
        issuer=issuer,
        scopes=scopes,
        department=str(department) if department else None,
        brands=tuple(str(brand) for brand in claims.get("brands") or ()),
        legal_entity=str(legal_entity) if legal_entity else None,
        purposes=tuple(str(purpose) for purpose in claims.get("purposes") or ()),
    )


def sign_token(
    key: Ed25519PrivateKey,
    *,
    issuer: str,
    subject: str,
    scopes: tuple[str, ...],
    issued_at: float,
    lifetime_seconds: float,
    department: str | None = None,
    brands: tuple[str, ...] = (),
    legal_entity: str | None = None,
    purposes: tuple[str, ...] = (),
) -> str:
    """Sign a token with an Ed25519 key; times are seconds since 1970."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": subject,
        "aud": AUDIENCE,
        "iat": int(issued_at),
        "exp": int(issued_at + lifetime_seconds),
        "scope": " ".join(scopes),
    }
    if department:
        claims["department"] = department
    if brands:
        claims["brands"] = list(brands)
    if legal_entity:
        claims["legal_entity"] = legal_entity
    if purposes:
        claims["purposes"] = list(purposes)
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": issuer})


class ServiceTokens:
    """Short tokens by which a service asks another, signed with its own key.

    The key is read with the first token, so that a composition root can be built where there is none (OpenAPI).
    """

    _LIFETIME_SECONDS = 120

    def __init__(self, *, service: str, key_file: Path, clock: Clock) -> None:
        self._key_file = key_file
        self._key: Ed25519PrivateKey | None = None
        self._issuer = SERVICE_ISSUER_PREFIX + service
        self._clock = clock
        self._tokens: dict[str, tuple[float, str]] = {}

    def _read_key(self) -> Ed25519PrivateKey:
        if self._key is None:
            key = load_pem_private_key(self._key_file.read_bytes(), password=None)
            if not isinstance(key, Ed25519PrivateKey):
                raise ValueError(f"{self._key_file.name} is not an Ed25519 private key.")
            self._key = key
        return self._key

    def bearer(self, scope: str) -> str:
        """Return a token with this one scope, reused until half its life is over."""
        now = self._clock.now().timestamp()
        known = self._tokens.get(scope)
        if known is None or now - known[0] > self._LIFETIME_SECONDS / 2 or now < known[0]:
            token = sign_token(
                self._read_key(),
                issuer=self._issuer,
                subject=self._issuer,
                scopes=(scope,),
                issued_at=now,
                lifetime_seconds=self._LIFETIME_SECONDS,
            )
            known = self._tokens[scope] = (now, token)
        return known[1]


_bearer = HTTPBearer(auto_error=False, description="JWT with scopes, department and brands")


def require(scope: str) -> Callable[..., Principal]:
    """Return a FastAPI dependency that gives the principal if its token carries `scope`.

    Raises (in the request):
        Forbidden: the token lacks the scope. (That there is a valid token is checked before, for every path.)
    """

    def principal_with_scope(
        request: Request, _: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)] = None
    ) -> Principal:
        principal: Principal | None = request.scope.get("principal")
        if principal is None:
            raise Unauthorized("Pass `Authorization: Bearer <token>`.")
        if scope not in principal.scopes:
            raise Forbidden(f"This needs the scope {scope}; the token does not carry it.")
        return principal

    return principal_with_scope
