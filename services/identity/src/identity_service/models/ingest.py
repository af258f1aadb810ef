"""What is remembered of messages: taken in, repeated, rejected, counted."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, LargeBinary, SmallInteger, Text, Uuid
from sqlmodel import Field

from identity_service.models.base import Base
from servicekit.tables import RowsFollow


class MessageId(Base, table=True):
    """A message taken in. `event_id` is a digest of (source_id, message_id), which are the key in another form.

    The request and position tell a redelivery (publish the same again) from a repetition (drop it).
    When its customer is erased the anchor and the customer become zeros: a repetition of it is still one.
    """

    __tablename__ = "message_ids"
    __table_args__ = (Index("message_ids_received_at", "received_at", postgresql_using="brin"),)
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    request_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    position: int = Field(sa_column=Column(SmallInteger, nullable=False))
    anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    is_record: bool = Field(default=False, sa_column=Column(Boolean, nullable=False, server_default="false"))
    """A department's record that has an id of its own: once this row is forgotten, RecordId remembers it."""


class RecordId(Base, table=True):
    """A department's record that was taken in some time ago: said again in a later file, it is a repetition.

    The id is a digest of the source and the record's own id. Nothing leads from here to a customer.
    """

    __tablename__ = "record_ids"

    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))


class Duplicate(Base, table=True):
    """A message that was dropped: a repetition, or of somebody who was erased."""

    __tablename__ = "duplicates"
    __table_args__ = (Index("duplicates_received_at", "received_at", postgresql_using="brin"),)

    request_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    position: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Rejection(Base, table=True):
    """An event that could not be taken, kept for review."""

    __tablename__ = "rejections"
    __table_args__ = (Index("rejections_received_at", "received_at", "rejection_id"),)

    rejection_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    request_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    position: int = Field(sa_column=Column(SmallInteger, nullable=False))
    field: str = Field(sa_column=Column(Text, nullable=False))
    detail: str = Field(sa_column=Column(Text, nullable=False))
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class IngestTotals(Base, table=True):
    """One row: how many events were ever accepted, rejected, dropped as repetitions or as somebody's who was erased."""

    __tablename__ = "ingest_totals"

    singleton: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    accepted: int = Field(sa_column=Column(BigInteger, nullable=False))
    rejected: int = Field(sa_column=Column(BigInteger, nullable=False))
    duplicates: int = Field(sa_column=Column(BigInteger, nullable=False))
    erased: int = Field(default=0, sa_column=Column(BigInteger, nullable=False, server_default="0"))
