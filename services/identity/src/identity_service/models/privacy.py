"""Erasures with their receipts, tombstones of identifiers, disclosures."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, Column, DateTime, Index, LargeBinary, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from identity_service.models.base import Base
from servicekit.tables import RowsFollow


class Erasure(Base, table=True):
    """A customer was erased: who asked, why, when. Kept as the proof that it was done."""

    __tablename__ = "erasures"
    __table_args__ = (Index("erasures_requested_at", "requested_at", "erasure_id"),)
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    erasure_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    former_customer_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    requested_by: str = Field(sa_column=Column(Text, nullable=False))
    """Subject of the token."""
    why: str = Field(sa_column=Column(Text, nullable=False))
    requested_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    """What occurred before and arrives later is dropped."""
    completed_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    """When the last receipt was there."""
    streams_expire_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    """From then on no event stream holds anything of the customer."""


class ErasureReceipt(Base, table=True):
    """A service says that it has erased a customer, and how many rows of which table."""

    __tablename__ = "erasure_receipts"

    erasure_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    service: str = Field(sa_column=Column(Text, primary_key=True))
    erased_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    rows: dict[str, int] = Field(sa_column=Column(JSONB, nullable=False))


class Tombstone(Base, table=True):
    """An identifier was erased, known only by its keyed hash: events with it that occurred before are dropped."""

    __tablename__ = "tombstones"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    erased_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    erasure_id: UUID = Field(sa_column=Column(Uuid, nullable=False))


class Disclosure(Base, table=True):
    """Somebody asked for everything that is held on a customer."""

    __tablename__ = "disclosures"
    __table_args__ = (
        Index("disclosures_requested_at", "requested_at", "disclosure_id"),
        Index("disclosures_customer", "customer_id"),
    )
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    disclosure_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    requested_by: str = Field(sa_column=Column(Text, nullable=False))
    why: str = Field(sa_column=Column(Text, nullable=False))
    requested_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    services: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    """Those that gave what they hold."""
    missing: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    """Those that did not answer."""
    completed_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
