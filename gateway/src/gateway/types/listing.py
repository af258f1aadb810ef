"""Pages of customers."""

import strawberry

from gateway.answers import identity
from gateway.loaders import Loaders
from gateway.types import arguments, paging
from gateway.types.customer import Customer, CustomerConnection, CustomerEdge


async def list_customers(loaders: Loaders, *, first: int, after: str | None, segment: str | None) -> CustomerConnection:
    """One page of everybody, or of a segment's members.

    Raises:
        GatewayError: a wrong argument, or the service's refusal.
    """
    at = paging.place(first, after)
    service = loaders.services.identity if segment is None else loaders.services.profile
    if segment is not None:
        arguments.text(segment, field="segment")
    query = at.query() | {"segment": segment}
    found = await service.get("/v1/customers", identity.CustomerListAnswer, headers=loaders.headers, query=query)
    places = paging.cursors(found, at)
    edges = [
        CustomerEdge(cursor=cursor, node=Customer(id=strawberry.ID(item.customer_id), loaders=loaders))
        for item, cursor in zip(found.items[at.skip :], places, strict=True)
    ]
    page_info = paging.page_info(found, places, after=after)
    return CustomerConnection(edges=edges, page_info=page_info, total_count=found.total_count)
