"""Segments: definitions and their versions, members, static lists, sizes, backfills."""

from datetime import date, datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, Date, DateTime, Identity, Index, Integer, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import Field

from profile_service.models.base import Base, json_column, moment, number, text_column
from profile_service.models.definitions import Definition, Publication
from servicekit.tables import RowsFollow


class Segment(Definition, Base, table=True):
    """A segment: the edited condition, and the published one which memberships follow.

    The condition of a static list (`kind` static) is the leaf over its rows in `static_list_members`:
    `{"kind": "static_list", "segment_id": ...}`; so a list is evaluated, moved and referred to like any segment.
    An archived segment counts no more: whoever reads what is published leaves it out.
    """

    __tablename__ = "segments"
    __table_args__ = (Index("segments_key", "key", unique=True),)

    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False, server_default="dynamic"))
    """`dynamic` or `static`."""
    description: str | None = text_column(nullable=True)
    condition: dict[str, Any] = json_column()
    published_condition: dict[str, Any] | None = json_column(nullable=True)


class SegmentVersion(Publication, Base, table=True):
    """What a segment meant from a publication on."""

    __tablename__ = "segment_versions"

    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    version: int = Field(sa_column=Column(Integer, primary_key=True))
    condition: dict[str, Any] = json_column()


class SegmentMembership(Base, table=True):
    """A customer's answer to a segment's condition. No row: not a member, and time alone will not change that."""

    __tablename__ = "segment_memberships"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (
        # members in order of their id, page by page, without touching the table
        Index(
            "segment_memberships_members",
            "segment_id",
            "customer_id",
            postgresql_where=text("is_member"),
            postgresql_include=["since"],
        ),
        # with the one before, all answers of one segment
        Index("segment_memberships_others", "segment_id", "customer_id", postgresql_where=text("NOT is_member")),
        Index("segment_memberships_due", "valid_until", postgresql_where=text("valid_until IS NOT NULL")),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    is_member: bool = Field(sa_column=Column(Boolean, nullable=False))
    since: datetime = moment()
    valid_until: datetime | None = moment(nullable=True)
    """When to ask again: never later than the moment time alone changes the answer, perhaps earlier."""


class StaticListMember(Base, table=True):
    """Somebody was put on a static list. A fact: it hangs on an anchor and moves with it; one row is enough."""

    __tablename__ = "static_list_members"
    __rows_follow__: ClassVar[RowsFollow] = "move"
    __table_args__ = (
        Index("static_list_members_segment", "segment_id", "customer_id"),
        Index("static_list_members_anchor", "anchor_id"),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    """Anchor of the customer's latest event when it was put on the list."""
    added_at: datetime = moment()
    added_by: str = text_column()
    """The token's subject."""


class SegmentSize(Base, table=True):
    """A segment's number of members, but for the changes not yet added up: see SegmentSizeChange."""

    __tablename__ = "segment_sizes"

    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    size: int = number(BigInteger)


class SegmentDay(Base, table=True):
    """How many entered and exited on a day (in the setting TIME_ZONE), for one reason."""

    __tablename__ = "segment_days"

    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    day: date = Field(sa_column=Column(Date, primary_key=True))
    reason: str = text_column(primary_key=True)
    entered: int = number(BigInteger)
    exited: int = number(BigInteger)


class SegmentSizeChange(Base, table=True):
    """What one transaction changed. Only ever inserted, so that nobody waits; a worker adds it to sizes and days."""

    __tablename__ = "segment_size_changes"
    __table_args__ = (Index("segment_size_changes_segment", "segment_id"),)

    change_id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    segment_id: UUID
    day: date = Field(sa_column=Column(Date, nullable=False))
    reason: str = text_column()
    entered: int = number(Integer)
    exited: int = number(Integer)


class Backfill(Base, table=True):
    """Everybody is being evaluated anew for one segment, or for the ranks; survives a restart at its cursor."""

    __tablename__ = "backfills"

    subject: str = text_column(primary_key=True)
    """A segment's id, or `ranks`."""
    generation: int = number(Integer, default=1)
    """Counts requests: what was found for an earlier one is not kept."""
    reason: str = Field(sa_column=Column(Text, nullable=False, server_default="backfill"))
    """Why whoever enters or exits does so: `backfill` (published), `definition` (what it refers to, or archived)."""
    remaining: int | None = number(BigInteger, nullable=True)
    """How many answers that differ from those kept wait in `backfill_answers`; null: nobody has looked yet."""
    cursor: UUID | None = Field(sa_column=Column(Uuid, nullable=True))
    """The last customer done."""
    evaluated: int = number(BigInteger, default=0)
    requested_at: datetime = moment()
    finished_at: datetime | None = moment(nullable=True)


class BackfillAnswers(Base, table=True):
    """A chunk of answers found by a backfill's look that differ from those kept; gone once they are kept.

    An answer holds while the customer's row in `customers` is older than the look (`xmin` before `seen_before`):
    whoever changes facts about a customer writes that row. Ids of customers who are gone meanwhile lead nowhere. Not
    logged: a crash empties the table, and the backfill looks again.
    """

    __tablename__ = "backfill_answers"
    __table_args__ = {"prefixes": ["UNLOGGED"]}  # noqa: RUF012  # SQLAlchemy's own shape

    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    number: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    seen_before: int = Field(sa_column=Column(BigInteger, nullable=False))
    """The oldest transaction that was at work when everybody was looked at (xid8): older ones are seen."""
    customer_ids: list[UUID] = Field(sa_column=Column(ARRAY(Uuid), nullable=False))
    """In order; the other lists go with it."""
    are_members: list[bool] = Field(sa_column=Column(ARRAY(Boolean), nullable=False))
    valid_until: list[datetime | None] = Field(sa_column=Column(ARRAY(DateTime(timezone=True)), nullable=False))
