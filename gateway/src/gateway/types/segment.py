"""Segments, and conditions tried: who is in, since when, what is known of them together."""

from typing import Annotated

import strawberry

from gateway.answers import insights, segments
from gateway.clients import path_segment
from gateway.loaders import Loaders
from gateway.types import fields, paging
from gateway.types.customer import Customer, CustomerConnection
from gateway.types.listing import list_customers
from gateway.types.paging import DEFAULT_PAGE, Connection
from gateway.types.profile_records import InsightCell, InsightDataset, SegmentDay, SegmentVersion
from gateway.types.scalars import Date, DateTime, Json

DEFAULT_MEMBERS = 20


@strawberry.type(description="What bought data says of a segment: datasets in use, and a page of their cells.")
class SegmentInsights:
    """Datasets and cells."""

    datasets: list[insights.InsightDatasetRow] = strawberry.field(graphql_type=list[InsightDataset])
    cells: Connection[InsightCell]


@strawberry.type(description="A segment: who fulfils its condition, or who was put on the list (kind static).")
class Segment:
    """A segment's definition and the loaders everything else is read through."""

    row: strawberry.Private[segments.SegmentRow]
    loaders: strawberry.Private[Loaders]

    @fields.field()
    def key(self) -> str:
        """The segment's key."""
        return self.row.key

    @fields.field(description="dynamic, or static: a list, whose members are put on it.")
    def kind(self) -> str:
        """As profile says."""
        return self.row.kind

    @fields.field()
    def name(self) -> str:
        """What people call it."""
        return self.row.name

    @fields.field()
    def description(self) -> str | None:
        """What it is for."""
        return self.row.description

    @fields.field(description="draft, backfilling (new events count at once), published or archived.")
    def status(self) -> str:
        """As profile says."""
        return self.row.status

    @fields.field(description="Counts publications.")
    def version(self) -> int:
        """As profile says."""
        return self.row.version

    @fields.field(description="Counts edits; pass it as expectedVersion.")
    def revision(self) -> int:
        """The ETag."""
        return self.row.revision

    @fields.field(description="The condition is not the published one.")
    def is_edited(self) -> bool:
        """As profile says."""
        return self.row.is_edited

    @fields.field(description="Members now.")
    def size(self) -> int | None:
        """As profile counts."""
        return self.row.size

    @fields.field(description="Customers the backfill has evaluated so far.")
    def evaluated(self) -> int:
        """As profile counts."""
        return self.row.evaluated

    @fields.field(graphql_type=Json | None, description="As edited; null for a static list, and where it is withheld.")
    def condition(self) -> object:
        """As profile keeps it."""
        return self.row.condition

    @fields.field(description="The condition asks for what the caller may not see.")
    def withheld(self) -> bool:
        """By the policy."""
        return self.row.withheld

    @fields.field(graphql_type=DateTime | None)
    def published_at(self) -> str | None:
        """The last publication."""
        return self.row.published_at

    @fields.field(graphql_type=DateTime | None)
    def archived_at(self) -> str | None:
        """When it was taken out of use."""
        return self.row.archived_at

    @fields.field(
        graphql_type=Connection[SegmentVersion] | None,
        description="What it meant when, who published that and why; newest first.",
    )
    async def versions(self, first: int = DEFAULT_PAGE, after: str | None = None) -> Connection[SegmentVersion]:
        """From profile."""
        path = f"{self._path}/versions"
        return await paging.list_page(
            self.loaders.services.profile,
            path,
            segments.SegmentVersionPageAnswer,
            loaders=self.loaders,
            first=first,
            after=after,
        )

    @fields.field(
        graphql_type=list[SegmentDay] | None,
        description="Its size day by day, the oldest first; the last 30 days unless said otherwise.",
    )
    async def size_history(
        self,
        since: Annotated[Date | None, strawberry.argument(name="from")] = None,
        until: Date | None = None,
    ) -> list[segments.SegmentDayRow]:
        """From profile."""
        found = await self.loaders.services.profile.get(
            f"{self._path}/days",
            segments.SegmentDaysAnswer,
            headers=self.loaders.headers,
            query={"first_day": since, "last_day": until},
        )
        return found.days

    @fields.field(description="Who is in it now.")
    async def members(self, first: int = DEFAULT_MEMBERS, after: str | None = None) -> CustomerConnection | None:
        """From profile."""
        return await list_customers(self.loaders, first=first, after=after, segment=self.row.key)

    @fields.field(description="What bought data says of it. Needs insights:read; that it was read is recorded.")
    async def insights(self, first: int = DEFAULT_PAGE, after: str | None = None) -> SegmentInsights | None:
        """From profile."""
        at = paging.place(first, after)
        found = await self.loaders.services.profile.get(
            f"{self._path}/insights", insights.SegmentInsightsAnswer, headers=self.loaders.headers, query=at.query()
        )
        return SegmentInsights(datasets=found.datasets, cells=paging.connect(found, at, after=after))

    @property
    def _path(self) -> str:
        return f"/v1/segments/{path_segment(self.row.key)}"


def segment_of(row: segments.SegmentRow, loaders: Loaders) -> Segment:
    """The segment that profile answered."""
    return Segment(row=row, loaders=loaders)


@strawberry.type(
    description="How many customers fulfil a condition now. An estimate's truth lies from `low` to `high` in 95 of "
    "100 cases."
)
class SegmentPreview:
    """The figures, and the loaders the sample is read through."""

    count: int
    low: int
    high: int
    total: int = strawberry.field(description="All customers.")
    share: float = strawberry.field(description="`count` of `total`, 0 to 1.")
    is_estimate: bool
    sampled: strawberry.Private[list[str]]
    loaders: strawberry.Private[Loaders]

    @fields.field(description="Some who fulfil it, at random.")
    def sample(self) -> list[Customer]:
        """Profile's ids are the present ones."""
        return [Customer(id=strawberry.ID(one), loaders=self.loaders) for one in self.sampled]
