"""Pages of listings. The services name only the place where the next page starts; the graph names a place for every
edge."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import strawberry

from gateway.answers.page import PageInfoRow
from gateway.clients import ServiceClient
from gateway.errors import bad_input
from gateway.loaders import Loaders
from gateway.types import arguments
from gateway.types.records import PageInfo
from servicekit.cursors import decode_cursor, encode_cursor
from servicekit.errors import Invalid

NodeT = TypeVar("NodeT")
RowT_co = TypeVar("RowT_co", covariant=True)
DEFAULT_PAGE = 20


@strawberry.type(description="One of a listing and its place in it.")
class Edge(Generic[NodeT]):
    """Relay's edge."""

    cursor: str
    node: NodeT


@strawberry.type(description="A page of a listing.")
class Connection(Generic[NodeT]):
    """Relay's connection."""

    edges: list[Edge[NodeT]]
    page_info: PageInfoRow = strawberry.field(graphql_type=PageInfo)


class PageAnswer(Protocol[RowT_co]):
    """Part of a listing as a service answers it."""

    @property
    def items(self) -> Sequence[RowT_co]: ...
    @property
    def next(self) -> str | None: ...


class Place(NamedTuple):
    """Where a page begins: `skip` items into the service's page that starts at `page_start`."""

    page_start: str
    skip: int
    first: int

    @property
    def wanted(self) -> int:
        """How many items to ask the service for."""
        return self.skip + self.first

    def query(self) -> dict[str, str | int | None]:
        """The page as a service's listing is asked for it."""
        return {"first": self.wanted, "after": self.page_start or None}


def place(first: int, after: str | None) -> Place:
    """Where the page after an edge's cursor begins.

    An edge's cursor is (the service's cursor of its page, how many of that page to skip).

    Raises:
        GatewayError: a wrong page size or cursor.
    """
    size = arguments.page_size(first)
    cursor = arguments.cursor(after)
    if cursor is None:
        return Place("", 0, size)
    try:
        page_start, skip = decode_cursor(cursor, str, int)
    except Invalid as error:
        raise bad_input(error.detail, field="after") from None
    if not 0 <= skip <= arguments.MAX_PAGE_SIZE:
        raise bad_input("This is not a cursor of this listing. Pass a cursor as it was given.", field="after")
    return Place(page_start, skip, size)


def cursors(found: PageAnswer[object], at: Place) -> list[str]:
    """The cursors of the page's items, those to be skipped left out."""
    every = [encode_cursor(at.page_start, number + 1) for number in range(len(found.items))]
    if found.next is not None and every:
        every[-1] = encode_cursor(found.next, 0)
    return every[at.skip :]


def page_info(found: PageAnswer[object], places: Sequence[str], *, after: str | None) -> PageInfoRow:
    """Relay's page information of a page whose edges have these cursors."""
    return PageInfoRow(
        has_next_page=found.next is not None,
        has_previous_page=after is not None,
        start_cursor=places[0] if places else None,
        end_cursor=places[-1] if places else None,
    )


def connect(
    found: PageAnswer[Any], at: Place, *, after: str | None, node: Callable[[Any], Any] | None = None
) -> Connection[Any]:  # Any: a record's answer or a type of the graph, as the field declares
    """A connection of the page's items; `node` makes one of a row that is no record."""
    places = cursors(found, at)
    edges = [
        Edge(cursor=cursor, node=row if node is None else node(row))
        for row, cursor in zip(found.items[at.skip :], places, strict=True)
    ]
    return Connection(edges=edges, page_info=page_info(found, places, after=after))


async def list_page(
    service: ServiceClient,
    path: str,
    answer: type[PageAnswer[Any]],
    *,
    loaders: Loaders,
    first: int,
    after: str | None,
    query: Mapping[str, str | None] | None = None,
    node: Callable[[Any], Any] | None = None,
) -> Connection[Any]:  # Any: as `connect`
    """One page of a service's listing.

    Raises:
        GatewayError: a wrong argument, or the service's refusal.
    """
    at = place(first, after)
    found = await service.get(path, answer, headers=loaders.headers, query=at.query() | dict(query or {}))
    return connect(found, at, after=after, node=node)


async def list_identity(
    loaders: Loaders,
    path: str,
    answer: type[PageAnswer[Any]],
    *,
    first: int,
    after: str | None,
    query: Mapping[str, str | None] | None = None,
    node: Callable[[Any], Any] | None = None,
) -> Connection[Any]:  # Any: as `connect`
    """One page of a listing of identity's.

    Raises:
        GatewayError: a wrong argument, or the service's refusal.
    """
    return await list_page(
        loaders.services.identity, path, answer, loaders=loaders, first=first, after=after, query=query, node=node
    )
