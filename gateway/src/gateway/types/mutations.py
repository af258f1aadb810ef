"""What can be changed. Who may is decided by the service that owns the thing, by the caller's scopes."""

from collections.abc import Mapping
from typing import Annotated

import strawberry
from strawberry.types import Info

from gateway.answers import campaign, problem
from gateway.clients import demanding, path_segment
from gateway.context import OperationContext
from gateway.errors import GatewayError, bad_input
from gateway.loaders import Loaders
from gateway.types import arguments, fields
from gateway.types.computed import ComputedMutation
from gateway.types.customer import Customer, find_customer
from gateway.types.identity_inputs import ONCE
from gateway.types.identity_mutations import IdentityMutation
from gateway.types.policy import PolicyMutation
from gateway.types.profile_mutations import ProfileMutation
from gateway.types.records import Journey
from gateway.types.scalars import Json
from gateway.types.schedules import ScheduleMutation
from gateway.types.sign import SignMutation

ContextInfo = Info[OperationContext, None]
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
    idempotency_key: str | None = strawberry.field(default=None, description=ONCE)


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

    @fields.mutation(
        description="Define a journey and start it; somebody else's edit in between is refused (CONFLICT), not "
        "started. Needs campaign:write. Repeating it changes nothing."
    )
    async def publish_journey(
        self, info: ContextInfo, given: Annotated[PublishJourneyInput, INPUT]
    ) -> PublishJourneyPayload | None:
        """PUT at campaign, and publish that very version."""
        loaders = info.context.loaders
        body: dict[str, object] = {
            "name": given.name,
            "campaign_key": given.campaign_key,
            "trigger": given.trigger,
            "steps": given.steps,
        }
        if given.reentry is not None:
            body["reentry"] = given.reentry
        return PublishJourneyPayload(journey=await _publish(loaders, given, body))

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


async def _publish(loaders: Loaders, given: PublishJourneyInput, body: Mapping[str, object]) -> campaign.JourneyRow:
    """PUT the definition and publish that version of it: an edit by somebody else in between is refused."""
    if not given.key:
        raise bad_input("key must not be empty", field="key")
    service, path = loaders.services.campaign, f"/v1/journeys/{path_segment(given.key)}"
    key = arguments.idempotency_key(given.idempotency_key)
    put = await service.change(
        "PUT",
        path,
        body,
        campaign.JourneyRow,
        headers=demanding(loaders.headers, given.expected_version),
        idempotency_key=key,
    )
    return await service.change(
        "POST",
        f"{path}:publish",
        {},
        campaign.JourneyRow,
        headers=demanding(loaders.headers, put.version),
        idempotency_key=arguments.following_key(key, "publish"),
    )
