"""What routes are made of: one transaction per request, idempotency keys, versions, small base models."""

import hashlib
import json
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy.ext.asyncio import AsyncSession

from servicekit.clock import Clock
from servicekit.database import Database, raw
from servicekit.errors import Conflict, Invalid, PreconditionFailed

Key = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]
"""The key of a configured thing: starts with a letter; lower-case letters, digits, `_` and `-`."""

CustomerIds = Annotated[list[UUID], Field(min_length=1, max_length=1000)]
"""The customers of a batch read."""


class Body(BaseModel):
    """Base of request bodies: unknown fields are refused, so that a typing error is seen."""

    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    """Base of responses."""

    model_config = ConfigDict(extra="ignore", from_attributes=True)


class BatchGet(Body):
    """The body of a batch read."""

    customer_ids: CustomerIds


def _session(request: Request) -> AsyncSession:
    return cast(AsyncSession, request.state.session)


def _clock(request: Request) -> Clock:
    return cast(Clock, request.app.state.service.clock)


Session = Annotated[AsyncSession, Depends(_session)]
"""The request's session; its transaction is committed at the edge, before the answer is sent."""

ClockDependency = Annotated[Clock, Depends(_clock)]


def resource(request: Request, name: str) -> Any:  # whatever the composition root put there
    """Return one of the service's resources by name."""
    return request.app.state.service.resources[name]


def etag(response: Response, version: int) -> None:
    """Say the version of the edited thing in the answer."""
    response.headers["ETag"] = f'"{version}"'


def if_match(request: Request) -> int | None:
    """Return the version that `If-Match` demands, or None when it is absent.

    Raises:
        Invalid: it is not one quoted version number.
    """
    header = request.headers.get("If-Match")
    if header is None or header.strip() == "*":
        return None
    match = re.fullmatch(r'\s*"(\d{1,9})"\s*', header)
    if match is None:
        raise Invalid('If-Match must be the quoted version of an ETag, like "3".', field="If-Match")
    return int(match.group(1))


IfMatch = Annotated[int | None, Depends(if_match)]


def check_version(present: int | None, demanded: int | None) -> None:
    """Compare the present version (None: the thing does not exist) with what If-Match demands.

    Raises:
        PreconditionFailed: they differ.
    """
    if demanded is not None and demanded != present:
        raise PreconditionFailed(
            "It was changed since you read it. Read it again, then repeat the change.", field="If-Match"
        )


_READS = re.compile(r":(batchGet|batchGraph|batchLookup|preview|explain)$")
"""Paths of what only reads, though it is asked by POST."""


class TransactionalRoute(APIRoute):
    """Opens ONE transaction per request and commits it before the answer is sent; any exception rolls it back.

    With an `Idempotency-Key` on a POST, PUT, PATCH or DELETE the answer is stored in the same transaction; the same key
    with the same request gives that answer again, with another request 409. What only reads by POST is read anew: what
    the caller may see may have changed, and what was told of customers is not kept.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Wrap FastAPI's handler in the transaction."""
        handle = super().get_route_handler()

        async def handle_in_transaction(request: Request) -> Response:
            database: Database = request.app.state.service.database
            async with database.transaction() as session:
                request.state.session = session
                key = request.headers.get("Idempotency-Key")
                if key is None or request.method in {"GET", "HEAD", "OPTIONS"} or _READS.search(request.url.path):
                    return await handle(request)
                return await _once(session, request, key, handle)

        return handle_in_transaction


async def _once(
    session: AsyncSession, request: Request, key: str, handle: Callable[[Request], Coroutine[Any, Any, Response]]
) -> Response:
    if not 1 <= len(key) <= 255:
        raise Invalid("Idempotency-Key must have 1 to 255 characters.", field="Idempotency-Key")
    principal = request.scope.get("principal")
    # without a token the path is the credential (a signed link)
    subject = f"{principal.issuer}/{principal.subject}" if principal else request.url.path
    body = await request.body()
    # the same person may speak for another department next time: that is another request
    speaks_for = (principal.department, principal.brands, principal.legal_entity) if principal else ()
    fingerprint = hashlib.sha256(
        f"{request.method} {request.url.path}?{request.url.query}\n{speaks_for}\n".encode() + body
    ).hexdigest()
    connection = await raw(session)
    # a second request with the same key waits here until the first one's transaction ends
    fresh = await connection.fetchval(
        "INSERT INTO idempotency_keys (subject, key, fingerprint, created_at) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT DO NOTHING RETURNING true",
        subject,
        key,
        fingerprint,
        _clock(request).now(),
    )
    if not fresh:
        return await _answered_before(session, subject, key, fingerprint)
    response = await handle(request)
    await connection.execute(
        "UPDATE idempotency_keys SET status = $3, body = $4, headers = $5 WHERE subject = $1 AND key = $2",
        subject,
        key,
        response.status_code,
        bytes(response.body),
        json.dumps(_kept_headers(response)),
    )
    return response


def _kept_headers(response: Response) -> dict[str, str]:
    return {name: value for name, value in response.headers.items() if name in {"content-type", "etag", "location"}}


async def _answered_before(session: AsyncSession, subject: str, key: str, fingerprint: str) -> Response:
    row = await (await raw(session)).fetchrow(
        "SELECT fingerprint, status, body, headers FROM idempotency_keys WHERE subject = $1 AND key = $2", subject, key
    )
    if row["fingerprint"] != fingerprint:
        raise Conflict(
            "This Idempotency-Key was used with another request. Use a new key for a new request.",
            field="Idempotency-Key",
        )
    return Response(
        content=row["body"],
        status_code=row["status"],
        headers=json.loads(row["headers"]) | {"Idempotent-Replayed": "true"},
    )
