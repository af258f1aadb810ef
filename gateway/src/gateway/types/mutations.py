"""What can be changed. Who may is decided by the service that owns the thing, by the caller's scopes."""

from typing import Annotated, TypeVar

import strawberry
from strawberry.types import Info

from gateway.answers import campaign, problem
from gateway.clients import ServiceClient, path_segment
from gateway.context import OperationContext
from gateway.errors import GatewayError, bad_input
from gateway.loaders import Loaders
from gateway.types import arguments, fields
from gateway.types.computed import ComputedMutation
from gateway.types.customer import Customer, find_customer
from gateway.types.identity_mutations import IdentityMutation
from gateway.types.policy import PolicyMutation
from gateway.types.profile_mutations import ProfileMutation
from gateway.types.records import Journey
from gateway.types.scalars import Json
from gateway.types.schedules import ScheduleMutation
from gateway.types.sign import SignMutation

ContextInfo = Info[OperationContext, None]
RowT = TypeVar("RowT")
INPUT = strawberry.argument(name="input")


@strawberry.input(description="A journey: what starts it and its steps.")
class PublishJourneyInput:
    """As campaign takes it."""

    key: str
    name: str
    campaign_key: str
    trigger: Json
    steps: Json
    reentry: Json | None = None
    expected_version: int | None = strawberry.field(
        default=None, description="Refuse (CONFLICT) when somebody has changed the journey since this version."
    )


@strawberry.type(description="The published journey.")
class PublishJourneyPayload:
    """What publishing answers."""

    journey: campaign.JourneyRow = strawberry.field(graphql_type=Journey)


@strawberry.input(description="Which permission of which customer ends, and how that came about.")
class WithdrawPermissionInput:
    """As delivery takes it."""

    customer_id: strawberry.ID
    channel: str
    topic: str
    basis: str = "customer_service"


@strawberry.type(description="The customer, read after the change.")
class WithdrawPermissionPayload:
    """What withdrawing answers."""

    customer: Customer


@strawberry.type
class Mutation(IdentityMutation, ProfileMutation, SignMutation, ComputedMutation, ScheduleMutation, PolicyMutation):
    """The graph's changes."""

    @fields.mutation(description="Define a journey and start it. Needs campaign:write. Repeating it changes nothing.")
    async def publish_journey(
        self, info: ContextInfo, given: Annotated[PublishJourneyInput, INPUT]
    ) -> PublishJourneyPayload | None:
        """PUT and publish at campaign."""
        loaders = info.context.loaders
        body: dict[str, object] = {
            "name": given.name,
            "campaign_key": given.campaign_key,
            "trigger": given.trigger,
            "steps": given.steps,
        }
        if given.reentry is not None:
            body["reentry"] = given.reentry
        row = await _publish(
            loaders,
            loaders.services.campaign,
            "journeys",
            given.key,
            body,
            given.expected_version,
            answer=campaign.JourneyRow,
        )
        return PublishJourneyPayload(journey=row)

    @fields.mutation(
        description="The customer no longer permits this. Needs delivery:write. Repeating it changes nothing."
    )
    async def withdraw_permission(
        self, info: ContextInfo, given: Annotated[WithdrawPermissionInput, INPUT]
    ) -> WithdrawPermissionPayload | None:
        """Withdraw at delivery."""
        requested = arguments.customer_id(given.customer_id, field="customerId")
        loaders = info.context.loaders
        customer = await find_customer(loaders, requested)
        if customer is None:
            raise GatewayError("There is no customer of this id", code="NOT_FOUND", field="customerId")
        body = {"customer_id": customer.id, "channel": given.channel, "topic": given.topic, "basis": given.basis}
        await loaders.services.delivery.post(
            "/v1/permissions:withdraw", body, problem.Anything, headers=loaders.headers
        )
        # read anew: a loader of this operation may have seen the state before
        return WithdrawPermissionPayload(customer=Customer(id=customer.id, loaders=loaders.renewed()))


async def _publish(
    loaders: Loaders,
    service: ServiceClient,
    plural: str,
    key: str,
    body: dict[str, object],
    expected_version: int | None,
    *,
    answer: type[RowT],
) -> RowT:
    """PUT the definition, publish it, read it back."""
    if not key:
        raise bad_input("key must not be empty", field="key")
    path = f"/v1/{plural}/{path_segment(key)}"
    headers = dict(loaders.headers)
    if expected_version is not None:
        headers["if-match"] = f'"{expected_version}"'
    await service.put(path, body, problem.Anything, headers=headers)
    await service.post(f"{path}:publish", {}, problem.Anything, headers=loaders.headers)
    return await service.get(path, answer, headers=loaders.headers)
