"""Calls of profile, as the graph's entrances to it and changes at it make them."""

from collections.abc import Mapping
from typing import Any, Literal, Protocol, TypeVar

from strawberry.types import Info

from gateway.clients import demanding, path_segment
from gateway.context import OperationContext
from gateway.types import arguments, paging
from gateway.types.paging import Connection

ContextInfo = Info[OperationContext, None]
RowT = TypeVar("RowT")


async def get(info: ContextInfo, path: str, answer: type[RowT]) -> RowT:
    """GET a resource. Raises GatewayError."""
    loaders = info.context.loaders
    return await loaders.services.profile.get(path, answer, headers=loaders.headers)


async def find(info: ContextInfo, plural: str, key: str, answer: type[RowT], *, field: str = "key") -> RowT | None:
    """GET one of a plural by its key; None when there is no such thing. Raises GatewayError."""
    loaders = info.context.loaders
    return await loaders.services.profile.find(
        plural, arguments.text(key, field=field), answer, headers=loaders.headers
    )


async def page(
    info: ContextInfo, path: str, answer: type[paging.PageAnswer[Any]], *, first: int, after: str | None
) -> Connection[Any]:  # Any: as paging.connect
    """A page of a listing. Raises GatewayError."""
    loaders = info.context.loaders
    return await paging.list_page(loaders.services.profile, path, answer, loaders=loaders, first=first, after=after)


def path_of(plural: str, key: str, *, field: str = "key") -> str:
    """Where one of a plural is. Raises GatewayError."""
    return f"/v1/{plural}/{path_segment(arguments.text(key, field=field))}"


async def change(
    info: ContextInfo,
    method: Literal["POST", "PUT"],
    path: str,
    body: Mapping[str, object],
    answer: type[RowT],
    *,
    version: int | None = None,
    idempotency_key: str | None = None,
) -> RowT:
    """Change something once, if it is of this version (where one is given). Raises GatewayError."""
    loaders = info.context.loaders
    return await loaders.services.profile.change(
        method,
        path,
        body,
        answer,
        headers=demanding(loaders.headers, version),
        idempotency_key=arguments.idempotency_key(idempotency_key),
    )


class Given(Protocol):
    """An input that may say of which version it is, and under which key it happens once."""

    @property
    def expected_version(self) -> int | None: ...
    @property
    def idempotency_key(self) -> str | None: ...


async def put(info: ContextInfo, given: Given, path: str, body: Mapping[str, object], answer: type[RowT]) -> RowT:
    """PUT what an input defines, of the version and under the key it says. Raises GatewayError."""
    return await change(
        info, "PUT", path, body, answer, version=given.expected_version, idempotency_key=given.idempotency_key
    )


async def delete(info: ContextInfo, path: str, *, version: int | None, idempotency_key: str | None = None) -> None:
    """Delete something once, if it is of this version (where one is given). Raises GatewayError."""
    loaders = info.context.loaders
    key = arguments.idempotency_key(idempotency_key)
    await loaders.services.profile.delete(path, headers=demanding(loaders.headers, version), idempotency_key=key)
