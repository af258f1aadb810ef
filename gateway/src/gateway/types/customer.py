"""The customer: one person or still anonymous visitor, as all services together know them; and what was decided on who
that is."""

import asyncio

import strawberry
from msgspec import structs

from gateway.answers import campaign, decisions, delivery, identity, profile, survey
from gateway.answers.page import PageInfoRow
from gateway.answers.relations import RelationRow
from gateway.answers.remarks import RemarkRow
from gateway.answers.schedules import CategoryLiftRow
from gateway.answers.traits import ExplanationRow
from gateway.errors import GatewayError, bad_input
from gateway.loaders import (
    CategoriesQuestion,
    CustomerPage,
    DatesForPurpose,
    Loaders,
    MessagePage,
    PermittedUse,
    RemarksQuestion,
    TraitQuestion,
)
from gateway.types import arguments, fields, paging
from gateway.types.identity_records import Group, IdentityGraph
from gateway.types.profile_records import Relation, TraitObservationConnection
from gateway.types.records import (
    Commitment,
    EventConnection,
    Identifier,
    JourneyRun,
    Message,
    NextRank,
    PageInfo,
    Permission,
    Rank,
    Response,
    Rfm,
    RfmScores,
    SegmentMembership,
    Trait,
)
from gateway.types.scalars import DateTime, Json, Money
from gateway.types.schedule_records import CategoryLift
from gateway.types.sign_records import Remark, SignOfCustomer

DEFAULT_TIMELINE = 20
DEFAULT_MESSAGES = 20
DEFAULT_DECISIONS = 20
DEFAULT_OBSERVATIONS = 20
DEFAULT_REMARKS = 20
DEFAULT_CATEGORIES = 3
MAX_TRAIT_NAME = 200
MAX_CATEGORIES = 20
"""As profile takes them."""
_IDENTITY_MAY_LACK = frozenset({"UNAVAILABLE", "TIMEOUT", "FORBIDDEN", "TOO_LARGE"})
"""With these the rest of the view still answers, under the id that was asked for."""


@strawberry.type(
    description="A merge, a split, or the undo of one: by a rule or by a person, with why, and what it moved."
)
class Decision:
    """A decision and the loaders the customers it is about are read through."""

    id: strawberry.ID
    kind: str = strawberry.field(description="merge, split or undo.")
    customer_id: strawberry.ID = strawberry.field(
        description="Who stayed (merge, undo of a split) or was divided (split, undo of a merge)."
    )
    other_customer_ids: list[strawberry.ID]
    rule: str = strawberry.field(
        description="manual: a person's own decision; review: an accepted candidate; else the rule that decided."
    )
    decided_by: str
    why: str
    score: float | None
    source: str | None
    event_id: strawberry.ID | None
    rules_version: int
    decided_at: DateTime
    undoes: strawberry.ID | None = strawberry.field(description="The decision this one undoes.")
    undone_by: strawberry.ID | None = strawberry.field(description="The decision that undid this one.")
    anchor_ids: list[strawberry.ID] = strawberry.field(description="The first 1,000 identifiers it moved.")
    anchors: int = strawberry.field(description="How many identifiers it moved.")
    anchors_left: int = strawberry.field(
        description="In the answer to an undo: identifiers that had moved on meanwhile and stay where they are."
    )
    loaders: strawberry.Private[Loaders]

    @fields.field(description="Who `customerId` is now; null when erased.")
    async def customer(self) -> "Customer | None":
        """From identity."""
        return await find_customer(self.loaders, self.customer_id)

    @fields.field(description="Who the others are now, each once.")
    async def other_customers(self) -> "list[Customer] | None":
        """From identity."""
        found = await asyncio.gather(*(find_customer(self.loaders, other) for other in self.other_customer_ids))
        present = {customer.id: customer for customer in found if customer is not None}
        return list(present.values())


@strawberry.type(description="Why a trait of a customer is what it is: who won by which policy, and all that was said.")
class TraitExplanation:
    """A trait of a customer and the loaders it is read through."""

    question: strawberry.Private[TraitQuestion]
    loaders: strawberry.Private[Loaders]

    @fields.field()
    def name(self) -> str:
        """The trait's name."""
        return self.question.name

    @fields.field(graphql_type=Json | None, description="Null where nothing said counts.")
    async def value(self) -> object:
        """From profile."""
        return (await self.loaders.explanations.load(self.question)).value

    @fields.field(description="Which of the words wins: latest, most_trusted, max, min or union.")
    async def policy(self) -> str | None:
        """From profile."""
        return (await self.loaders.explanations.load(self.question)).policy

    @fields.field(
        graphql_type=Trait | None, description="The value with whose word it is; null where nothing said counts."
    )
    async def winner(self) -> profile.TraitRow | None:
        """From profile, with the customer's other traits."""
        known = (await self.loaders.profile.load(self.question.customer_id)).traits
        return next((trait for trait in known if trait.name == self.question.name), None)

    @fields.field(
        graphql_type=TraitObservationConnection | None,
        description="Everything said of it, newest first, each with why it lost.",
    )
    async def observations(self) -> ExplanationRow:
        """From profile."""
        return await self.loaders.explanations.load(self.question)

    @fields.field(description="The policy hides some traits from the caller, whomever is asked about.")
    async def withheld(self) -> bool | None:
        """From profile."""
        return (await self.loaders.explanations.load(self.question)).withheld


@strawberry.type(
    description="One customer. Every field but `id` comes from a service; it is null, with an error, when that is down."
)
class Customer:
    """The canonical id and the loaders everything else is read through."""

    id: strawberry.ID = strawberry.field(description="The customer's present id; former ids keep leading here.")
    loaders: strawberry.Private[Loaders]

    @fields.field(
        graphql_type=list[Identifier] | None,
        description="Everything this customer is known by; with `legalEntity` and `purpose`, what that company may use "
        "for it.",
    )
    async def identifiers(
        self, legal_entity: str | None = None, purpose: str | None = None
    ) -> list[identity.IdentifierRow]:
        """From identity."""
        if legal_entity is None and purpose is None:
            return (await self.loaders.identity.load(self.id)).identifiers
        if legal_entity is None or purpose is None:
            missing = "legalEntity" if legal_entity is None else "purpose"
            raise bad_input("legalEntity and purpose go together", field=missing)
        use = PermittedUse(self.id, arguments.text(legal_entity, field="legalEntity"), purpose)
        return (await self.loaders.permitted.load(use)).identifiers

    @fields.field(
        graphql_type=IdentityGraph | None,
        description="How the identifiers hang together: evidence, what was held apart, groups, former ids.",
    )
    async def identity_graph(self) -> identity.GraphOfCustomer:
        """From identity."""
        return await self.loaders.graph.load(self.id)

    @fields.field(description="Ids of customers who turned out to be this one.")
    async def former_ids(self) -> list[strawberry.ID] | None:
        """From identity."""
        return [strawberry.ID(former) for former in (await self.loaders.graph.load(self.id)).former_ids]

    @fields.field(graphql_type=list[Group] | None, description="Company accounts, households, clubs.")
    async def groups(self) -> list[identity.GroupRow]:
        """From identity."""
        return (await self.loaders.graph.load(self.id)).groups

    @fields.field(
        graphql_type=paging.Connection[Decision] | None,
        description="Merges, splits and undos that concern this customer, the newest first.",
    )
    async def decisions(self, first: int = DEFAULT_DECISIONS, after: str | None = None) -> paging.Connection[Decision]:
        """From identity."""
        at = paging.place(first, after)
        found = await self.loaders.decisions.load(CustomerPage(self.id, at.wanted, at.page_start or None))
        return paging.connect(found, at, after=after, node=lambda row: decision_of(row, self.loaders))

    @fields.field(graphql_type=list[Trait] | None)
    async def traits(self) -> list[profile.TraitRow]:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).traits

    @fields.field(description="Why a trait is what it is; `first` and `after` page through what was said of it.")
    def trait(self, name: str, first: int = DEFAULT_OBSERVATIONS, after: str | None = None) -> TraitExplanation | None:
        """Read by its fields."""
        question = TraitQuestion(
            self.id,
            arguments.text(name, field="name", most=MAX_TRAIT_NAME),
            arguments.page_size(first),
            arguments.cursor(after),
        )
        return TraitExplanation(question=question, loaders=self.loaders)

    @fields.field(
        graphql_type=list[Relation] | None,
        description="Dates of related persons that the customer gave for this purpose; for no other one are they seen.",
    )
    async def relations(self, purpose: str) -> list[RelationRow]:
        """From profile."""
        wanted = DatesForPurpose(self.id, arguments.text(purpose, field="purpose"))
        return (await self.loaders.relations.load(wanted)).relations

    @fields.field(graphql_type=Rfm | None, description="Null when the customer never bought.")
    async def rfm(self) -> profile.RfmRow | None:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).rfm

    @fields.field(graphql_type=Rank | None, description="Null when the customer holds none.")
    async def rank(self) -> profile.RankRow | None:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).rank

    @fields.field(graphql_type=RfmScores | None, description="Null where there are no cut points yet.")
    async def rfm_scores(self) -> profile.RfmScoresRow | None:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).rfm_scores

    @fields.field(graphql_type=Money | None, description="What the table of ranks measures; null: nothing.")
    async def points(self) -> str | float | None:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).points

    @fields.field(graphql_type=NextRank | None, description="The next rank and the distance to it.")
    async def next_rank(self) -> profile.NextRankRow | None:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).next_rank

    @fields.field(
        description="The lifecycle's state (see `lifecycleDefinition`); null for whoever may not see what it is "
        "drawn from."
    )
    async def lifecycle(self) -> str | None:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).lifecycle

    @fields.field(graphql_type=Json | None, description="Computed traits at this moment, by key.")
    async def computed(self) -> object:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).computed

    @fields.field(
        graphql_type=list[CategoryLift] | None,
        description="Categories the customer is likeliest to buy next, the likeliest first; null where no lifts are "
        "taken (see `nextCategorySettings`).",
    )
    async def next_categories(self, first: int = DEFAULT_CATEGORIES) -> list[CategoryLiftRow] | None:
        """From profile."""
        wanted = CategoriesQuestion(self.id, arguments.page_size(first, most=MAX_CATEGORIES))
        try:
            return (await self.loaders.next_categories.load(wanted)).categories
        except GatewayError as error:
            if error.code == "NOT_FOUND":
                return None
            raise

    @fields.field(
        description="The policy hides some of what profile knows from the caller, whomever is asked about: it never "
        "says that this customer has something hidden."
    )
    async def withheld(self) -> bool | None:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).withheld

    @fields.field(graphql_type=list[SegmentMembership] | None)
    async def segments(self) -> list[profile.MembershipRow]:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).segments

    @fields.field(
        graphql_type=list[SignOfCustomer] | None, description="Signs that the customer's situation is changing."
    )
    async def signs(self) -> list[profile.SignOfCustomerRow]:
        """From profile."""
        return (await self.loaders.profile.load(self.id)).signs

    @fields.field(
        graphql_type=list[Remark] | None,
        description="What the customer said in blogs and the like, newest first; on one `topic` if given.",
    )
    async def remarks(self, first: int = DEFAULT_REMARKS, topic: str | None = None) -> list[RemarkRow]:
        """From profile."""
        topics = None if topic is None else (arguments.text(topic, field="topic"),)
        wanted = RemarksQuestion(self.id, arguments.page_size(first), topics)
        return (await self.loaders.remarks.load(wanted)).remarks

    @fields.field(graphql_type=EventConnection | None, description="What happened, newest first.")
    async def timeline(self, first: int = DEFAULT_TIMELINE, after: str | None = None) -> profile.TimelineOfCustomer:
        """From profile."""
        page = CustomerPage(self.id, arguments.page_size(first), arguments.cursor(after))
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
    since: DateTime | None = strawberry.field(
        default=None, description="When the customer entered the segment; null in the list of everybody."
    )


@strawberry.type(description="A page of customers.")
class CustomerConnection:
    """Relay's connection."""

    edges: list[CustomerEdge]
    page_info: PageInfoRow = strawberry.field(graphql_type=PageInfo)
    total_count: int


async def find_customer(loaders: Loaders, customer_id: str) -> Customer | None:
    """The customer under this id or a former one; None when nobody is.

    Raises:
        GatewayError: the caller's credential is not accepted.
    """
    try:
        who = await loaders.identity.load(customer_id)
    except GatewayError as error:
        if error.code not in _IDENTITY_MAY_LACK:
            raise
        return Customer(id=strawberry.ID(customer_id), loaders=loaders)
    if who.current_customer_id is None:
        return None
    return Customer(id=strawberry.ID(who.current_customer_id), loaders=loaders)


def decision_of(row: decisions.DecisionRow, loaders: Loaders) -> Decision:
    """The decision that identity answered."""
    return Decision(**structs.asdict(row), loaders=loaders)
