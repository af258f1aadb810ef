"""Segments, their members, and backfills."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Uuid, text
from sqlmodel import Field

from profile_service.models.base import Base, json_column, moment, number, text_column
from servicekit.tables import RowsFollow


class Segment(Base, table=True):
    """A segment: the edited condition, and the published one which memberships follow."""

    __tablename__ = "segments"
    __table_args__ = (Index("segments_key", "key", unique=True),)

    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    key: str = text_column()
    name: str = text_column()
    description: str | None = text_column(nullable=True)
    condition: dict[str, Any] = json_column()
    revision: int = number(Integer)
    """Counts edits; the ETag."""
    version: int = number(Integer, default=0)
    """Counts publications; 0 before the first."""
    published_condition: dict[str, Any] | None = json_column(nullable=True)
    published_at: datetime | None = moment(nullable=True)


class SegmentMembership(Base, table=True):
    """A customer's answer to a segment's condition. No row: not a member, and time alone will not change that."""

    __tablename__ = "segment_memberships"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (
        Index("segment_memberships_members", "segment_id", "customer_id", postgresql_where=text("is_member")),
        Index("segment_memberships_due", "valid_until", postgresql_where=text("valid_until IS NOT NULL")),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    is_member: bool = Field(sa_column=Column(Boolean, nullable=False))
    since: datetime = moment()
    valid_until: datetime | None = moment(nullable=True)
    """When to ask again: never later than the moment time alone changes the answer, perhaps earlier."""


class Backfill(Base, table=True):
    """Everybody is being evaluated anew for one segment, or for the ranks; survives a restart at its cursor."""

    __tablename__ = "backfills"

    subject: str = text_column(primary_key=True)
    """A segment's id, or `ranks`."""
    cursor: UUID | None = Field(sa_column=Column(Uuid, nullable=True))
    """The last customer done."""
    evaluated: int = number(BigInteger, default=0)
    requested_at: datetime = moment()
    finished_at: datetime | None = moment(nullable=True)
