"""What can be asked."""

import strawberry
from strawberry.types import Info

from gateway.answers import campaign, survey
from gateway.context import OperationContext
from gateway.loaders import IdentifierKey
from gateway.prefetch import prefetch_customer
from gateway.types import arguments, fields
from gateway.types.campaign import Campaign, Questionnaire
from gateway.types.computed import ComputedQuery
from gateway.types.customer import Customer, CustomerConnection, find_customer
from gateway.types.identity_queries import IdentityQuery
from gateway.types.listing import list_customers
from gateway.types.policy import PolicyQuery
from gateway.types.profile_queries import ProfileQuery
from gateway.types.schedules import ScheduleQuery
from gateway.types.sign import SignQuery

DEFAULT_CUSTOMERS = 20
ContextInfo = Info[OperationContext, None]


@strawberry.type
class Query(IdentityQuery, ProfileQuery, SignQuery, ComputedQuery, ScheduleQuery, PolicyQuery):
    """The graph's entrances."""

    @fields.field(description="The single customer view. A former id leads to the present customer.")
    async def customer(self, info: ContextInfo, requested: fields.Id) -> Customer | None:
        """From identity; null when nobody is known under this id."""
        customer_id = arguments.customer_id(requested)
        loaders = info.context.loaders
        document = info._raw_info  # noqa: SLF001  # graphql-core's info, with the document
        prefetch_customer(loaders, customer_id, document, variables=info.variable_values)
        return await find_customer(loaders, customer_id)

    @fields.field(description="Who has this identifier, e.g. namespace `email`.")
    async def customer_by_identifier(self, info: ContextInfo, namespace: str, value: str) -> Customer | None:
        """From identity; null when nobody has it."""
        key = IdentifierKey(arguments.namespace(namespace), arguments.text(value, field="value"))
        loaders = info.context.loaders
        customer_id = await loaders.customer_of.load(key)
        return None if customer_id is None else Customer(id=strawberry.ID(customer_id), loaders=loaders)

    @fields.field(description="Everybody, or the members of a segment.")
    async def customers(
        self, info: ContextInfo, first: int = DEFAULT_CUSTOMERS, after: str | None = None, segment: str | None = None
    ) -> CustomerConnection | None:
        """From identity, or from profile for a segment."""
        return await list_customers(info.context.loaders, first=first, after=after, segment=segment)

    @fields.field()
    async def campaigns(self, info: ContextInfo) -> list[Campaign] | None:
        """From campaign."""
        loaders = info.context.loaders
        found = await loaders.services.campaign.get(
            "/v1/campaigns", campaign.CampaignListAnswer, headers=loaders.headers
        )
        return [Campaign(row=row, loaders=loaders) for row in found.items]

    @fields.field()
    async def campaign(self, info: ContextInfo, key: str) -> Campaign | None:
        """From campaign; null when there is none of that key."""
        loaders = info.context.loaders
        row = await loaders.services.campaign.find("campaigns", key, campaign.CampaignRow, headers=loaders.headers)
        return None if row is None else Campaign(row=row, loaders=loaders)

    @fields.field(description="Questionnaires with their coverage and net promoter score.")
    async def questionnaires(self, info: ContextInfo) -> list[Questionnaire] | None:
        """From survey."""
        loaders = info.context.loaders
        found = await loaders.services.survey.get(
            "/v1/questionnaires", survey.QuestionnaireListAnswer, headers=loaders.headers
        )
        return [Questionnaire(row=row, loaders=loaders) for row in found.items]

    @fields.field()
    async def questionnaire(self, info: ContextInfo, key: str) -> Questionnaire | None:
        """From survey; null when there is none of that key."""
        loaders = info.context.loaders
        row = await loaders.services.survey.find(
            "questionnaires", key, survey.QuestionnaireRow, headers=loaders.headers
        )
        return None if row is None else Questionnaire(row=row, loaders=loaders)
