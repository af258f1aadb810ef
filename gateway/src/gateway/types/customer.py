"""The customer: one person or still anonymous visitor, as all services together know them."""

import strawberry

from gateway.answers import campaign, delivery, identity, profile, survey
from gateway.loaders import Loaders, MessagePage, TimelinePage
from gateway.types import arguments, fields
from gateway.types.records import (
    Commitment,
    EventConnection,
    Identifier,
    JourneyRun,
    Message,
    PageInfo,
    Permission,
    Rank,
    Response,
    Rfm,
    SegmentMembership,
    Trait,
)

DEFAULT_TIMELINE = 20
DEFAULT_MESSAGES = 20


@strawberry.type(
    description="One customer. Every field but `id` comes from a service; it is null, with an error, when that is down."
)
class Customer:
    """The canonical id and the loaders everything else is read through."""

    id: strawberry.ID = strawberry.field(description="The customer's present id; former ids keep leading here.")
    loaders: strawberry.Private[Loaders]

    @fields.field(graphql_type=list[Identifier] | None, description="Everything this customer is known by.")
    async def identifiers(self) -> list[identity.IdentifierRow]:
        """From identity."""
        return (await self.loaders.identity.load(self.id)).identifiers

    @fields.field(graphql_type=list[Trait] | None)
    async def traits(self) -> list[profile.TraitRow]:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).traits

    @fields.field(graphql_type=Rfm | None, description="Null when the customer never bought.")
    async def rfm(self) -> profile.RfmRow | None:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).rfm

    @fields.field(graphql_type=Rank | None, description="Null when the customer holds none.")
    async def rank(self) -> profile.RankRow | None:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).rank

    @fields.field(graphql_type=list[SegmentMembership] | None)
    async def segments(self) -> list[profile.MembershipRow]:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).segments

    @fields.field(graphql_type=EventConnection | None, description="What happened, newest first.")
    async def timeline(self, first: int = DEFAULT_TIMELINE, after: str | None = None) -> profile.TimelineOfCustomer:
        """From profile."""
        page = TimelinePage(self.id, arguments.page_size(first), arguments.cursor(after))
        return await self.loaders.timeline.load(page)

    @fields.field(graphql_type=list[Message] | None, description="Messages to the customer, newest first.")
    async def messages(self, first: int = DEFAULT_MESSAGES) -> list[delivery.MessageRow]:
        """From delivery."""
        page = MessagePage(self.id, arguments.page_size(first))
        return (await self.loaders.messages.load(page)).messages

    @fields.field(graphql_type=list[Permission] | None, description="What each contact point permits.")
    async def permissions(self) -> list[delivery.PermissionRow]:
        """From delivery."""
        return (await self.loaders.permissions.load(self.id)).permissions

    @fields.field(graphql_type=list[Response] | None, description="Questionnaires answered.")
    async def responses(self) -> list[survey.ResponseRow]:
        """From survey."""
        return (await self.loaders.responses.load(self.id)).responses

    @fields.field(graphql_type=list[Commitment] | None, description="What must hold for this customer to stay.")
    async def commitments(self) -> list[survey.CommitmentRow]:
        """From survey."""
        return (await self.loaders.commitments.load(self.id)).commitments

    @fields.field(graphql_type=list[JourneyRun] | None, description="Runs of journeys.")
    async def journeys(self) -> list[campaign.JourneyRunRow]:
        """From campaign."""
        return (await self.loaders.journeys.load(self.id)).journeys


@strawberry.type(description="A customer and their place in the listing.")
class CustomerEdge:
    """Relay's edge."""

    cursor: str
    node: Customer


@strawberry.type(description="A page of customers.")
class CustomerConnection:
    """Relay's connection."""

    edges: list[CustomerEdge]
    page_info: PageInfo
    total_count: int
