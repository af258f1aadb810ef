"""Everything in the graph that is read from profile's answer as it is, but what stands in `types.records`."""

import strawberry

from gateway.answers import insights, profile, relations, segments, traits
from gateway.types.record import record
from gateway.types.records import PageInfo
from gateway.types.scalars import BigInt, Date, DateTime, Json, Money

# Traits


@record(traits.RetractedRow)
class RetractedObservation:
    """Who took an observation back, when and why."""

    retraction_id: strawberry.ID
    why: str
    asked_by: str
    asked_at: DateTime


@record(traits.ObservationRow)
class TraitObservation:
    """What a source said of a trait, whose that source was then, and why it does not count."""

    event_id: strawberry.ID
    value: Json
    source: str
    department: str | None
    brand: str | None
    legal_entity: str | None
    observed_at: DateTime
    received_at: DateTime | None
    lost_because: str | None = strawberry.field(description="Null: it counts. Else what the policy has against it.")
    retracted: RetractedObservation | None


@record(traits.ObservationRow)
class TraitObservationEdge:
    """An observation and its place among them."""

    cursor: str
    node: TraitObservation


@record(traits.ExplanationRow)
class TraitObservationConnection:
    """A page of what was said of a trait, newest first."""

    edges: list[TraitObservationEdge]
    page_info: PageInfo


@record(traits.TrustedRow)
class Trusted:
    """A source that is trusted, or a department: one of the two."""

    source: str | None
    department: str | None


@record(traits.TraitDefinitionRow)
class TraitDefinition:
    """What a trait is, and which of the sources' words on it wins."""

    name: str
    type: str | None = strawberry.field(description="Words of another type do not count; null: any does.")
    policy: str = strawberry.field(description="latest, most_trusted, max, min or union.")
    trusted: list[Trusted] = strawberry.field(description="For most_trusted: whom first.")
    description: str | None
    is_sensitive: bool
    labels: list[str]
    revision: int = strawberry.field(description="Counts edits; pass it as expectedVersion.")
    updated_at: DateTime
    status: str = strawberry.field(description="refolding: customers may still have the former value; folded.")
    refolded: int = strawberry.field(description="Customers refolded so far.")


@record(traits.RetractionRow)
class TraitRetraction:
    """What a source took back of a trait: of a customer, or of everybody by a job."""

    id: strawberry.ID
    name: str
    source: str
    is_for_everybody: bool
    until: DateTime = strawberry.field(description="What it said up to then counts no more, also what arrives later.")
    why: str
    asked_by: str
    requested_at: DateTime
    retracted: int = strawberry.field(description="Observations so far.")
    finished_at: DateTime | None


# Relations


@record(relations.RelationRow)
class Relation:
    """A date of a related person that the customer gave for one purpose; nothing to find that person by."""

    id: strawberry.ID
    relation: str
    occasion: str
    date: str = strawberry.field(description="`2019-03-14`, or `--03-14` where the year is unknown.")
    purpose: str
    source: str
    given_at: DateTime
    ends_at: DateTime | None = strawberry.field(description="From this moment on it must not be used.")


# Segments


@record(segments.SegmentVersionRow)
class SegmentVersion:
    """What a segment meant from a publication on."""

    version: int
    condition: Json | None
    withheld: bool = strawberry.field(description="The condition asks for what the caller may not see.")
    published_at: DateTime
    published_by: str | None
    why: str | None


@record(segments.ReasonCountRow)
class ReasonCount:
    """How many customers, for this reason."""

    reason: str
    customers: int


@record(segments.SegmentDayRow)
class SegmentDay:
    """A day in the customers' time zone: the segment's size at its end, who entered and exited."""

    day: Date
    size: int
    entered: list[ReasonCount]
    exited: list[ReasonCount]


@record(segments.OverlapRow)
class SegmentOverlap:
    """What two segments have in common."""

    a: str = strawberry.field(description="The one segment's key.")
    b: str
    a_size: int
    b_size: int
    both: int
    only_a: int
    only_b: int


@record(segments.ListOutcomeRow)
class ListOutcome:
    """What became of one customer."""

    customer_id: strawberry.ID
    outcome: str = strawberry.field(
        description="added, present (was there already), removed, absent (was not there) or unknown."
    )


# Sums over everybody


@record(profile.TotalsAnswer)
class Totals:
    """Sums over everybody; purchases without the simulated ones, which are beside them."""

    customers: BigInt
    events: BigInt
    purchases: BigInt | None = strawberry.field(description="Null for whoever may not see all of them.")
    revenue: Money | None
    purchases_simulated: BigInt | None
    revenue_simulated: Money | None
    currency: str
    withheld: bool = strawberry.field(description="The policy hides some purchases from the caller.")


# Insights and anonymised exports


@record(insights.InsightMeasureRow)
class InsightMeasure:
    """A number that was measured of each cell."""

    name: str
    kind: str = strawberry.field(description="integer, number, or share (0 to 1).")
    unit: str


@record(insights.InsightDatasetRow)
class InsightDataset:
    """Bought data about segments, never about a customer: what it is for, under which licence, until when."""

    key: str
    title: str
    supplier: str
    purpose: str
    hypothesis: str
    licence: str
    segment_keys: list[str]
    dimensions: list[str]
    measures: list[InsightMeasure]
    minimum_cell_size: int
    expires_at: DateTime
    status: str = strawberry.field(description="empty, usable or expired.")
    revision: int = strawberry.field(description="Counts edits; pass it as expectedVersion.")
    created_by: str
    imported_by: str | None
    imported_at: DateTime | None
    cells: int = strawberry.field(description="How many there are.")


@record(insights.DataReadRow)
class DataRead:
    """Who read something of which it is recorded, when."""

    read_by: str
    department: str | None
    read_at: DateTime


@record(insights.InsightCellRow)
class InsightCell:
    """So many people of a segment, alike in the dimensions, and what was measured of them."""

    dataset: str
    dimensions: Json
    cell_size: int
    measures: Json


@record(insights.ExportDefinitionRow)
class AnonymisedExportDefinition:
    """An export: of whom, what, for whom, why and by which way."""

    segment: str | None = strawberry.field(description="Null: of everybody.")
    columns: Json
    k: int | None = strawberry.field(description="Fewer customers are never published as one line; null: the setting.")
    rounding: int
    shape: str
    purpose: str
    recipient: str
    provision: str
    keep_days: int


@record(insights.ExportFiguresRow)
class AnonymisedExportFigures:
    """What an export came to, exactly: for the record, not for the recipient."""

    customers: int
    published: int
    suppressed_share: float = strawberry.field(description="Customers in no published line, of all: 0 to 1.")
    cells: int
    k_reached: int | None = strawberry.field(description="Customers in the smallest published cell.")


@record(insights.PublicationRow)
class AnonymisedExportPublication:
    """What must be published before the export is provided, and said to the recipient (APPI, Article 43)."""

    statement: str
    item_categories: list[str]
    provision: str


@record(insights.AnonymisedExportRow)
class AnonymisedExport:
    """An anonymised export: what it is and what came of it. Its content is read over profile's REST API
    (`GET /v1/anonymised-exports/{id}/content`), where each reading is recorded."""

    id: strawberry.ID
    definition: AnonymisedExportDefinition
    state: str = strawberry.field(description="queued, done, failed, cancelled or expired.")
    created_by: str
    department: str | None
    created_at: DateTime
    finished_at: DateTime | None
    expires_at: DateTime
    customers_read: BigInt = strawberry.field(description="So far, while it is being made.")
    publication: AnonymisedExportPublication
    figures: AnonymisedExportFigures | None
    problem: str | None
