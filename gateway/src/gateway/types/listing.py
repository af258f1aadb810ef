"""Pages of customers."""

import strawberry

from gateway.answers import identity, segments
from gateway.loaders import Loaders
from gateway.types import arguments, paging
from gateway.types.customer import Customer, CustomerConnection, CustomerEdge
from gateway.types.scalars import DateTime


async def list_customers(loaders: Loaders, *, first: int, after: str | None, segment: str | None) -> CustomerConnection:
    """One page of everybody, or of a segment's members.

    Raises:
        GatewayError: a wrong argument, or the service's refusal.
    """
    at = paging.place(first, after)
    found: identity.CustomerListAnswer | segments.MemberListAnswer
    if segment is None:
        found = await loaders.services.identity.get(
            "/v1/customers", identity.CustomerListAnswer, headers=loaders.headers, query=at.query()
        )
    else:
        query = at.query() | {"segment": arguments.text(segment, field="segment")}
        found = await loaders.services.profile.get(
            "/v1/customers", segments.MemberListAnswer, headers=loaders.headers, query=query
        )
    places = paging.cursors(found, at)
    edges = [
        CustomerEdge(
            cursor=cursor,
            node=Customer(id=strawberry.ID(item.customer_id), loaders=loaders),
            since=DateTime(item.since) if isinstance(item, segments.MemberRow) and item.since is not None else None,
        )
        for item, cursor in zip(found.items[at.skip :], places, strict=True)
    ]
    page_info = paging.page_info(found, places, after=after)
    return CustomerConnection(edges=edges, page_info=page_info, total_count=found.total_count)
