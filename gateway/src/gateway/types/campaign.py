"""Campaigns and surveys: what was done and what came of it."""

import strawberry

from gateway.answers import campaign, survey
from gateway.loaders import Loaders
from gateway.types import fields
from gateway.types.records import CampaignResults, Coverage, Goal, Nps


@strawberry.type(description="A campaign.")
class Campaign:
    """A campaign's definition and the loaders its results are read through."""

    row: strawberry.Private[campaign.CampaignRow]
    loaders: strawberry.Private[Loaders]

    @fields.field()
    def key(self) -> str:
        """The campaign's key."""
        return self.row.key

    @fields.field()
    def name(self) -> str:
        """What people call it."""
        return self.row.name

    @fields.field()
    def version(self) -> int:
        """Counts changes of the definition."""
        return self.row.version

    @fields.field(graphql_type=Goal | None)
    def goal(self) -> campaign.GoalRow | None:
        """What it is for."""
        return self.row.goal

    @fields.field()
    def creative_keys(self) -> list[str]:
        """The creatives it uses."""
        return self.row.creative_keys

    @fields.field(
        graphql_type=CampaignResults | None,
        description="Reached, opened, clicked, purchased; lift against the holdout.",
    )
    async def results(self) -> campaign.ResultsRow:
        """From campaign."""
        return await self.loaders.results.load(self.row.key)


@strawberry.type(description="A questionnaire and how it was answered.")
class Questionnaire:
    """A questionnaire's definition and the loaders its figures are read through."""

    row: strawberry.Private[survey.QuestionnaireRow]
    loaders: strawberry.Private[Loaders]

    @fields.field()
    def key(self) -> str:
        """The questionnaire's key."""
        return self.row.key

    @fields.field()
    def title(self) -> str:
        """Its title."""
        return self.row.title

    @fields.field()
    def language(self) -> str | None:
        """BCP 47 tag."""
        return self.row.language

    @fields.field(graphql_type=Coverage | None, description="How many of those asked answered.")
    async def coverage(self) -> survey.CoverageRow:
        """From survey."""
        service = self.loaders.services.survey
        query = {"questionnaire": self.row.key}
        return await service.get("/v1/coverage", survey.CoverageRow, headers=self.loaders.headers, query=query)

    @fields.field(graphql_type=Nps | None, description="Net promoter score of its responses.")
    async def nps(self) -> survey.NpsRow:
        """From survey."""
        service = self.loaders.services.survey
        query = {"questionnaire": self.row.key}
        return await service.get("/v1/nps", survey.NpsRow, headers=self.loaders.headers, query=query)
