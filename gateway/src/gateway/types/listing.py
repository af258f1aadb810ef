"""Pages of customers. The services name only the place where the next page starts; the graph names a place for every
edge."""

from gateway.answers import identity, page
from gateway.errors import bad_input
from gateway.loaders import Loaders
from gateway.types import arguments
from gateway.types.customer import Customer, CustomerConnection, CustomerEdge
from servicekit.cursors import decode_cursor, encode_cursor
from servicekit.errors import Invalid


async def list_customers(loaders: Loaders, *, first: int, after: str | None, segment: str | None) -> CustomerConnection:
    """One page of everybody, or of a segment's members.

    An edge's cursor is (the service's cursor of its page, how many of that page to skip).

    Raises:
        GatewayError: a wrong argument, or the service's refusal.
    """
    page_start, skip = _place(arguments.cursor(after))
    wanted = skip + arguments.page_size(first)
    service = loaders.services.identity if segment is None else loaders.services.profile
    if segment is not None:
        arguments.text(segment, field="segment")
    query = {"first": wanted, "after": page_start or None, "segment": segment}
    found = await service.get("/v1/customers", identity.CustomerListAnswer, headers=loaders.headers, query=query)
    cursors = [encode_cursor(page_start, number + 1) for number in range(len(found.items))]
    if found.next is not None and cursors:
        cursors[-1] = encode_cursor(found.next, 0)
    edges = [
        CustomerEdge(cursor=cursor, node=Customer(id=item.customer_id, loaders=loaders))  # type: ignore[arg-type]  # ID is text
        for item, cursor in zip(found.items[skip:], cursors[skip:], strict=True)
    ]
    page_info = page.PageInfoRow(
        has_next_page=found.next is not None,
        has_previous_page=after is not None,
        start_cursor=edges[0].cursor if edges else None,
        end_cursor=edges[-1].cursor if edges else None,
    )
    return CustomerConnection(edges=edges, page_info=page_info, total_count=found.total_count)  # type: ignore[arg-type]  # a record's answer


def _place(after: str | None) -> tuple[str, int]:
    if after is None:
        return "", 0
    try:
        page_start, skip = decode_cursor(after, str, int)
    except Invalid as error:
        raise bad_input(error.detail, field="after") from None
    if not 0 <= skip <= arguments.MAX_PAGE_SIZE:
        raise bad_input("This is not a cursor of this listing. Pass a cursor as it was given.", field="after")
    return page_start, skip
