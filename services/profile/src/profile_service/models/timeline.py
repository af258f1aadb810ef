"""Facts: the timeline, and what sources said of a customer."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, Numeric, Uuid
from sqlmodel import Field

from profile_service.models.base import LONG_AGO, Base, json_column, moment, number, text_column
from servicekit.tables import RowsFollow


class Event(Base, table=True):
    """The timeline: one row per event of a customer, newest first by (occurred_at, event_id)."""

    __tablename__ = "events"
    __rows_follow__: ClassVar[RowsFollow] = "move"
    __table_args__ = (
        # live evaluation: a customer's events of one name, and whose sources' they are, without touching the table
        Index(
            "events_customer_name", "customer_id", "name", "occurred_at", postgresql_include=["revenue", "source_id"]
        ),
        # previews over everybody: one name in a window
        Index("events_name", "name", "occurred_at", postgresql_include=["customer_id", "revenue"]),
        Index("events_anchor", "anchor_id"),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID
    kind: str = text_column()
    name: str = text_column()
    source_id: str = text_column()
    revenue: Decimal | None = number(Numeric, nullable=True)
    """The promoted property: the amount in the base currency, if the event has one."""
    properties: dict[str, Any] = json_column()


class TraitObservation(Base, table=True):
    """What a source said of a customer at a moment. Nothing is overwritten, so any set of anchors folds exactly.

    The key leads from a customer's trait to each source that spoke of it, and there to the latest it said.
    """

    __tablename__ = "trait_observations"
    __rows_follow__: ClassVar[RowsFollow] = "move"
    __table_args__ = (Index("trait_observations_anchor", "anchor_id"),)

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    name: str = text_column(primary_key=True)
    source_id: str = text_column(primary_key=True)
    observed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID
    value: Any = json_column()
    received_at: datetime = moment(default=LONG_AGO)
    """By Kizuna; LONG_AGO: before this was kept. Of what was said of one moment, the later received wins."""
    retraction_id: UUID | None = Field(default=None, sa_column=Column(Uuid, nullable=True))
    """The source took it back: it is kept, but counts no more."""
