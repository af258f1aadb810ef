"""What profile answers on data about segments: bought datasets, and our own as it leaves, anonymised."""

from __future__ import annotations

from msgspec import Raw, Struct, field


class InsightMeasureRow(Struct):
    """A number that was measured of each cell."""

    name: str
    kind: str
    unit: str


class InsightDatasetRow(Struct):
    """A dataset, without its cells."""

    key: str
    title: str
    supplier: str
    purpose: str
    hypothesis: str
    licence: str
    segment_keys: list[str]
    dimensions: list[str]
    measures: list[InsightMeasureRow]
    minimum_cell_size: int
    expires_at: str
    status: str
    revision: int
    created_by: str
    imported_by: str | None = None
    imported_at: str | None = None
    cells: int = 0


class InsightDatasetPageAnswer(Struct):
    """GET /v1/insights"""

    items: list[InsightDatasetRow]
    next: str | None = None


class DataReadRow(Struct):
    """Who read something, when."""

    read_by: str
    read_at: str
    department: str | None = None


class DataReadPageAnswer(Struct):
    """GET /v1/insights/{key}/reads and /v1/anonymised-exports/{export_id}/reads"""

    items: list[DataReadRow]
    next: str | None = None


class InsightCellRow(Struct):
    """So many people of the segment, alike in the dimensions, and what was measured of them."""

    dataset: str
    dimensions: Raw
    cell_size: int
    measures: Raw


class SegmentInsightsAnswer(Struct):
    """GET /v1/segments/{key}/insights"""

    segment: str
    datasets: list[InsightDatasetRow]
    items: list[InsightCellRow] = field(name="cells")
    next: str | None = None


class ExportDefinitionRow(Struct):
    """Of whom, what, for whom, why and by which way."""

    columns: Raw
    purpose: str
    recipient: str
    provision: str
    segment: str | None = None
    k: int | None = None
    rounding: int = 5
    shape: str = "counts"
    keep_days: int = 30


class ExportFiguresRow(Struct):
    """What an export came to."""

    customers: int
    published: int
    suppressed_share: float
    cells: int
    k_reached: int | None = None


class PublicationRow(Struct):
    """What must be published before an export is provided."""

    statement: str
    item_categories: list[str]
    provision: str


class AnonymisedExportRow(Struct):
    """An export: its definition, what came of it, until when its content is there."""

    id: str = field(name="export_id")
    definition: ExportDefinitionRow
    state: str
    created_by: str
    created_at: str
    expires_at: str
    publication: PublicationRow
    department: str | None = None
    finished_at: str | None = None
    customers_read: int = 0
    figures: ExportFiguresRow | None = None
    problem: str | None = None


class AnonymisedExportPageAnswer(Struct):
    """GET /v1/anonymised-exports"""

    items: list[AnonymisedExportRow]
    next: str | None = None
