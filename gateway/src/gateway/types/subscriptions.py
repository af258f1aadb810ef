"""What can be watched."""

import asyncio
from collections.abc import AsyncGenerator

import strawberry
from graphql import GraphQLError
from strawberry.types import Info

from gateway.context import OperationContext
from gateway.errors import GatewayError
from gateway.live import Watcher
from gateway.types import arguments, fields
from gateway.types.customer import Customer, find_customer


@strawberry.type
class Subscription:
    """The graph's live updates."""

    @fields.subscription(description="The customer now, and again whenever something about this customer changes.")
    async def customer_updated(
        self, info: Info[OperationContext, None], requested: fields.Id
    ) -> AsyncGenerator[Customer | None, None]:
        """Each update is read with loaders of its own. What happens between two updates is told by the second."""
        try:
            with info.context.live.watcher() as watcher:
                async for customer in _updates(info.context, arguments.customer_id(requested), watcher):
                    yield customer
        except GatewayError as error:  # graphql-core places the errors of fields, not those of a source of updates
            raise GraphQLError(str(error), path=info.path.as_list(), extensions=error.extensions) from error


async def _updates(context: OperationContext, requested: str, watcher: Watcher) -> AsyncGenerator[Customer, None]:
    watcher.watch(requested)
    await context.live.listening()
    while True:
        context.authenticate()
        customer = await find_customer(context.loaders.renewed(), requested)
        if customer is None:
            raise GatewayError("There is no customer of this id", code="NOT_FOUND", field="id")
        watcher.watch(customer.id)  # after a merge facts come under the present id
        yield customer
        await asyncio.sleep(context.seconds_between_updates)
        await watcher.changed()
