"""Who may read the mailbox: a person's token with the scope delivery:read.

The services verify tokens with servicekit.auth. This process does not, because that brings all of FastAPI with it,
which would double the memory of a mailbox.
"""

from pathlib import Path

import jwt

from kizuna_local.keys import AUDIENCE, USER_ISSUER

SCOPE = "delivery:read"


class Refused(Exception):
    """The token does not do; `status` is the HTTP status to say so with."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class TokenCheck:
    """Checks `Authorization` headers against the people's public key in the key set."""

    def __init__(self, jwks_file: Path) -> None:
        self._key = jwt.PyJWKSet.from_json(jwks_file.read_text(encoding="utf-8"))[USER_ISSUER]

    def check(self, authorization: str) -> None:
        """Raises Refused unless it is `Bearer <token>` with our scope."""
        kind, _, token = authorization.partition(" ")
        try:
            claims = jwt.decode(
                token if kind.lower() == "bearer" else "",
                self._key,
                algorithms=["EdDSA"],
                audience=AUDIENCE,
                issuer=USER_ISSUER,
                options={"require": ["exp", "iat"]},
            )
        except jwt.PyJWTError as error:
            raise Refused(401, "Pass `Authorization: Bearer <token>`, as in credentials.json.") from error
        if SCOPE not in str(claims.get("scope", "")).split():
            raise Refused(403, f"This needs the scope {SCOPE}.")
