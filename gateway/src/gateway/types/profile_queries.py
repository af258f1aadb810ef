"""What can be asked of profile beside a customer's own: segments, traits, bought data, anonymised exports."""

import strawberry
from msgspec import Raw

from gateway.answers import insights, profile, segments, traits
from gateway.answers.segments import OverlapRow
from gateway.errors import bad_input
from gateway.loaders import Loaders
from gateway.types import arguments, fields
from gateway.types.paging import DEFAULT_PAGE, Connection
from gateway.types.profile_calls import ContextInfo, find, get, page, path_of
from gateway.types.profile_records import (
    AnonymisedExport,
    DataRead,
    InsightDataset,
    SegmentOverlap,
    Totals,
    TraitDefinition,
    TraitRetraction,
)
from gateway.types.scalars import Json
from gateway.types.segment import Segment, SegmentPreview, segment_of


@strawberry.type(
    description="Whether the policy hides some of a kind from the caller: then these lists are not whole. Of customers "
    "and their events the answers say so themselves."
)
class Withheld:
    """The loaders the lists are read through, once with what else is asked of them."""

    loaders: strawberry.Private[Loaders]

    @fields.field()
    async def segments(self) -> bool | None:
        """From profile."""
        return (await self.loaders.segment_list).withheld

    @fields.field()
    async def signs(self) -> bool | None:
        """From profile."""
        return (await self.loaders.sign_list).withheld

    @fields.field()
    async def computed_traits(self) -> bool | None:
        """From profile."""
        return (await self.loaders.computed_trait_list).withheld


@strawberry.type
class ProfileQuery:
    """The graph's entrances to profile: with profile:read, unless said otherwise."""

    @fields.field(description="Segments and their present sizes.")
    async def segments(self, info: ContextInfo) -> list[Segment] | None:
        """From profile."""
        found = await info.context.loaders.segment_list
        return [segment_of(row, info.context.loaders) for row in found.items]

    @fields.field(description="One segment.")
    async def segment(self, info: ContextInfo, key: str) -> Segment | None:
        """From profile; null when there is none of that key."""
        row = await find(info, "segments", key, segments.SegmentRow)
        return None if row is None else segment_of(row, info.context.loaders)

    @fields.field(
        description="How many customers fulfil a condition now: estimated in a moment, or counted (`exact`). `force`: "
        "count although it reads more than is allowed (scope profile:scan)."
    )
    async def preview_segment(
        self, info: ContextInfo, condition: Json, exact: bool = False, force: bool = False
    ) -> SegmentPreview | None:
        """From profile."""
        loaders = info.context.loaders
        service = loaders.services.profile
        found = await service.post(
            "/v1/segments:preview",
            {"condition": condition, "mode": "exact" if exact else "estimate", "force": force},
            segments.PreviewAnswer,
            headers=loaders.headers,
            patience=service.patience_for_changes,
        )
        return SegmentPreview(
            count=found.count,
            low=found.low,
            high=found.high,
            total=found.total,
            share=found.share,
            is_estimate=found.is_estimate,
            sampled=found.sample,
            loaders=loaders,
        )

    @fields.field(
        graphql_type=list[SegmentOverlap] | None,
        description="How many customers each pair of 2 to 10 segments has in common.",
    )
    async def segment_overlap(self, info: ContextInfo, keys: list[str]) -> list[OverlapRow]:
        """From profile."""
        if not 2 <= len(keys) <= 10:  # what profile takes; else the line of the request could be too long
            raise bad_input("keys must be 2 to 10", field="keys")
        loaders = info.context.loaders
        service = loaders.services.profile
        found = await service.get(
            "/v1/segments:overlaps",
            segments.OverlapsAnswer,
            headers=loaders.headers,
            query={"key": [arguments.text(key, field=f"keys.{index}") for index, key in enumerate(keys)]},
            patience=service.patience_for_changes,
        )
        return found.pairs

    @fields.field(
        graphql_type=Json | None,
        description="The condition language as JSON Schema: what `condition` may be, wherever one is asked for.",
    )
    async def condition_schema(self, info: ContextInfo) -> object:
        """From profile."""
        return await get(info, "/v1/conditions/schema", Raw)

    @fields.field(
        graphql_type=TraitDefinition | None,
        description="What a trait is, and which source's word wins; without a definition any value does, the latest.",
    )
    async def trait_definition(self, info: ContextInfo, name: str) -> traits.TraitDefinitionRow | None:
        """From profile; null when the trait has no definition."""
        return await find(info, "traits", name, traits.TraitDefinitionRow, field="name")

    @fields.field(graphql_type=Connection[TraitDefinition] | None, description="Definitions of traits, by name.")
    async def trait_definitions(
        self, info: ContextInfo, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[TraitDefinition]:
        """From profile."""
        return await page(info, "/v1/traits", traits.TraitDefinitionPageAnswer, first=first, after=after)

    @fields.field(
        graphql_type=TraitRetraction | None, description="What a source took back of a trait, and how far that is."
    )
    async def trait_retraction(self, info: ContextInfo, retraction_id: fields.Id) -> traits.RetractionRow | None:
        """From profile; null when there is none of this id."""
        return await find(info, "retractions", arguments.uuid(retraction_id), traits.RetractionRow)

    @fields.field(graphql_type=InsightDataset | None, description="Bought data about segments. Needs insights:read.")
    async def insight_dataset(self, info: ContextInfo, key: str) -> insights.InsightDatasetRow | None:
        """From profile; null when there is none of that key."""
        return await find(info, "insights", key, insights.InsightDatasetRow)

    @fields.field(
        graphql_type=Connection[InsightDataset] | None,
        description="Bought data about segments, by key. Needs insights:read. `Segment.insights` has the figures.",
    )
    async def insight_datasets(
        self, info: ContextInfo, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[InsightDataset]:
        """From profile."""
        return await page(info, "/v1/insights", insights.InsightDatasetPageAnswer, first=first, after=after)

    @fields.field(
        graphql_type=Connection[DataRead] | None,
        description="Who read cells of a bought dataset, the newest first. Needs privacy:read.",
    )
    async def insight_dataset_reads(
        self, info: ContextInfo, key: str, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[DataRead]:
        """From profile."""
        at = f"{path_of('insights', key)}/reads"
        return await page(info, at, insights.DataReadPageAnswer, first=first, after=after)

    @fields.field(graphql_type=AnonymisedExport | None, description="An anonymised export. Needs exports:read.")
    async def anonymised_export(self, info: ContextInfo, export_id: fields.Id) -> insights.AnonymisedExportRow | None:
        """From profile; null when there is none of this id."""
        return await find(info, "anonymised-exports", arguments.uuid(export_id), insights.AnonymisedExportRow)

    @fields.field(
        graphql_type=Connection[AnonymisedExport] | None,
        description="Anonymised exports, the newest first. Needs exports:read.",
    )
    async def anonymised_exports(
        self, info: ContextInfo, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[AnonymisedExport]:
        """From profile."""
        return await page(info, "/v1/anonymised-exports", insights.AnonymisedExportPageAnswer, first=first, after=after)

    @fields.field(
        graphql_type=Connection[DataRead] | None,
        description="Who fetched an anonymised export's content, the newest first. Needs privacy:read.",
    )
    async def anonymised_export_reads(
        self, info: ContextInfo, export_id: fields.Id, first: int = DEFAULT_PAGE, after: str | None = None
    ) -> Connection[DataRead]:
        """From profile."""
        at = f"/v1/anonymised-exports/{arguments.uuid(export_id)}/reads"
        return await page(info, at, insights.DataReadPageAnswer, first=first, after=after)

    @fields.field(graphql_type=Totals | None, description="Sums over everybody.")
    async def totals(self, info: ContextInfo) -> profile.TotalsAnswer:
        """From profile."""
        return await get(info, "/v1/totals", profile.TotalsAnswer)

    @fields.field(description="Whether the policy hides some segments, signs or computed traits from the caller.")
    async def withheld(self, info: ContextInfo) -> Withheld | None:
        """From profile."""
        return Withheld(loaders=info.context.loaders)
