"""Data at the level of segments, bought and de-identified; our own anonymised for others; who read either.

None of these tables names a customer, and nothing in them leads to one - but, while an export is made, its readings.
"""

from datetime import datetime
from typing import Any, ClassVar, Literal
from uuid import UUID

from sqlalchemy import BigInteger, Column, ForeignKey, Identity, Index, Integer, Text, Uuid
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from profile_service.models.base import Base, json_column, moment, number, text_column
from servicekit.tables import RowsFollow

ExportStage = Literal["reading", "publishing", "clearing", "over"]


class InsightDataset(Base, table=True):
    """A dataset as it was bought: from whom, what for, how licensed, until when. Kept when its cells are gone."""

    __tablename__ = "insight_datasets"

    key: str = text_column(primary_key=True)
    title: str = text_column()
    supplier: str = text_column()
    purpose: str = text_column()
    hypothesis: str = text_column()
    """What it was bought to find out."""
    licence: str = text_column()
    segment_keys: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    dimensions: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    """Columns that divide a segment into cells."""
    measures: list[dict[str, Any]] = json_column()
    """What was measured of a cell: name, kind, unit."""
    minimum_cell_size: int = number(Integer)
    expires_at: datetime = moment()
    revision: int = number(Integer)
    """Counts edits; the ETag."""
    created_by: str = text_column()
    imported_by: str | None = text_column(nullable=True)
    imported_at: datetime | None = moment(nullable=True)


class InsightCell(Base, table=True):
    """One line of a dataset: so many people of a segment, alike in the dimensions, and what was measured of them."""

    __tablename__ = "insight_cells"
    __table_args__ = (Index("insight_cells_segment", "segment_key", "dataset_key", "line"),)

    dataset_key: str = Field(
        sa_column=Column(Text, ForeignKey("insight_datasets.key", ondelete="CASCADE"), primary_key=True)
    )
    line: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    """Of the file it came in; the header is line 1."""
    segment_key: str = text_column()
    dimensions: dict[str, Any] = json_column()
    cell_size: int = number(BigInteger)
    measures: dict[str, Any] = json_column()


class AnonymisedExport(Base, table=True):
    """An anonymised export: who asked, for whom and why, what was in it, how. Kept when its content is gone."""

    __tablename__ = "anonymised_exports"
    __table_args__ = (Index("anonymised_exports_newest", "created_at", "export_id"),)

    export_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    definition: dict[str, Any] = json_column()
    """Population, columns with item categories and generalisation, k, shape, purpose, recipient, provision."""
    state: str = text_column()
    """`queued`, `done`, `failed`, `cancelled`, `expired`."""
    created_by: str = text_column()
    department: str | None = text_column(nullable=True)
    created_at: datetime = moment()
    finished_at: datetime | None = moment(nullable=True)
    expires_at: datetime = moment()
    """From then on the content is not given out any more, and deleted."""
    customers: int | None = number(BigInteger, nullable=True)
    """In the population; null, as all that follows: not done yet."""
    published: int | None = number(BigInteger, nullable=True)
    """Customers in published cells, before rounding."""
    cells: int | None = number(BigInteger, nullable=True)
    smallest: int | None = number(BigInteger, nullable=True)
    """Customers in the smallest published cell: the k that was reached; null also: nothing was published."""
    problem: str | None = text_column(nullable=True)
    stage: str = Field(sa_column=Column(Text, nullable=False, server_default="reading"))
    """`reading` customers, `publishing`, `clearing` what was read, `over`."""
    cursor: UUID | None = Field(sa_column=Column(Uuid, nullable=True))
    """The last customer read or cleared."""
    customers_read: int = number(BigInteger, default=0)


class ExportReading(Base, table=True):
    """What was read of a customer for an export that is being made; gone once it is.

    Values as they are published, but numbers by steps: these are cut when everybody is read. Not logged: a crash
    empties the table, and reading begins anew.
    """

    __tablename__ = "export_readings"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012  # SQLAlchemy's own shape

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    export_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    labels: list[str | None] = Field(sa_column=Column(ARRAY(Text), nullable=False))


class AnonymisedCell(Base, table=True):
    """A published combination of generalised values and its rounded number of customers."""

    __tablename__ = "anonymised_cells"

    export_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("anonymised_exports.export_id", ondelete="CASCADE"), primary_key=True)
    )
    position: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    """In order of the values: says nothing of customers."""
    labels: list[str | None] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    count: int = number(BigInteger)


class AuditedRead(Base, table=True):
    """Somebody read cells of a dataset, or fetched an export's content."""

    __tablename__ = "audited_reads"
    __table_args__ = (Index("audited_reads_subject", "subject", "read_id"),)

    read_id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    subject: str = text_column()
    """`insights/<key>` or `anonymised-exports/<id>`."""
    read_by: str = text_column()
    """Issuer and subject of the token."""
    department: str | None = text_column(nullable=True)
    read_at: datetime = moment()
