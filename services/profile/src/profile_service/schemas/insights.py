"""Datasets about segments as they are written and read."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, Field, StringConstraints

from profile_service.rules.insights import MeasureKind
from profile_service.schemas.fields import Description, Title
from servicekit.http import Answer, Body, Key

Text = Annotated[Description, Field(min_length=1)]


class MeasureBody(Body):
    """A number that was measured of each cell."""

    name: Key
    kind: MeasureKind = Field(description="`share` lies between 0 and 1.")
    unit: Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[^\x00]*$")] = Field(
        examples=["JPY per year", "people"]
    )


class InsightBody(Body):
    """A dataset as it was bought: with a hypothesis, for a purpose, under a licence, about segments."""

    title: Title
    supplier: Title
    purpose: Text
    hypothesis: Text
    licence: Text
    segment_keys: Annotated[list[Key], Field(min_length=1, max_length=200)]
    dimensions: Annotated[list[Key], Field(max_length=8)] = Field(
        default=[], description="Columns that divide a segment into cells, such as prefecture and age_band."
    )
    measures: Annotated[list[MeasureBody], Field(min_length=1, max_length=50)]
    minimum_cell_size: Annotated[int, Field(ge=1, le=10**6)] | None = Field(
        default=None, description="Smaller cells are refused; by default, and never below, the setting."
    )
    expires_at: AwareDatetime


class InsightAnswer(Answer):
    """A dataset, without its cells. `revision` is the ETag."""

    key: str
    title: str
    supplier: str
    purpose: str
    hypothesis: str
    licence: str
    segment_keys: list[str]
    dimensions: list[str]
    measures: list[MeasureBody]
    minimum_cell_size: int
    expires_at: datetime
    status: Literal["empty", "usable", "expired"]
    revision: int
    created_by: str
    imported_by: str | None
    imported_at: datetime | None
    cells: int


class InsightListAnswer(Answer):
    """A page; `next` is the cursor to pass as `after`."""

    items: list[InsightAnswer]
    next: str | None


class RefusedLineAnswer(Answer):
    """What is wrong with a line, in which column."""

    line: int
    column: str
    detail: str


class InsightImportAnswer(Answer):
    """A file as it was read; `problems` are the first hundred."""

    dry_run: bool
    lines: int
    accepted: int
    refused: int
    problems: list[RefusedLineAnswer]


class InsightCellAnswer(Answer):
    """So many people of the segment, alike in the dimensions, and what was measured of them."""

    dataset: str
    dimensions: dict[str, str]
    cell_size: int
    measures: dict[str, Any]


class SegmentInsightsAnswer(Answer):
    """What bought data says of a segment: each dataset with its licence and purpose, and the cells."""

    segment: str
    datasets: list[InsightAnswer]
    cells: list[InsightCellAnswer]
    next: str | None


class ReadAnswer(Answer):
    """Who read it, when."""

    read_by: str
    department: str | None
    read_at: datetime


class ReadListAnswer(Answer):
    """A page, the newest first; `next` is the cursor to pass as `after`."""

    items: list[ReadAnswer]
    next: str | None
