"""Profile's tables. Each with a customer_id says how its rows follow a move: facts move, conclusions are recomputed."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, Numeric, SmallInteger, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from servicekit.tables import RowsFollow, service_base

if TYPE_CHECKING:  # a class made at run time is no base class to a type checker
    from sqlmodel import SQLModel

    Base = SQLModel
else:
    Base = service_base()


def _moment(*, nullable: bool = False) -> Any:  # SQLModel types Field() as Any itself
    return Field(sa_column=Column(DateTime(timezone=True), nullable=nullable))


def _text(*, primary_key: bool = False, nullable: bool = False) -> Any:
    return Field(sa_column=Column(Text, primary_key=primary_key, nullable=nullable))


def _json(*, nullable: bool = False) -> Any:
    return Field(sa_column=Column(JSONB, nullable=nullable))


def _number(kind: Any, *, nullable: bool = False, default: int | None = None) -> Any:
    server_default = None if default is None else text(str(default))
    return Field(sa_column=Column(kind, nullable=nullable, server_default=server_default))


class Event(Base, table=True):
    """The timeline: one row per event of a customer, newest first by (occurred_at, event_id)."""

    __tablename__ = "events"
    __rows_follow__: ClassVar[RowsFollow] = "move"
    __table_args__ = (
        # live evaluation: a customer's events of one name, without touching the table
        Index("events_customer_name", "customer_id", "name", "occurred_at", postgresql_include=["revenue"]),
        # previews over everybody: one name in a window
        Index("events_name", "name", "occurred_at", postgresql_include=["customer_id", "revenue"]),
        Index("events_anchor", "anchor_id"),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID
    kind: str = _text()
    name: str = _text()
    source_id: str = _text()
    revenue: Decimal | None = _number(Numeric, nullable=True)
    """The promoted property: the amount in the base currency, if the event has one."""
    properties: dict[str, Any] = _json()


class TraitObservation(Base, table=True):
    """What a source said of a customer at a moment. Nothing is overwritten, so any set of anchors folds exactly."""

    __tablename__ = "trait_observations"
    __rows_follow__: ClassVar[RowsFollow] = "move"
    __table_args__ = (Index("trait_observations_anchor", "anchor_id"),)

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    name: str = _text(primary_key=True)
    observed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID
    source_id: str = _text()
    value: Any = _json()


class Trait(Base, table=True):
    """The fold: per customer and name the latest observation over all anchors, by (observed_at, event_id)."""

    __tablename__ = "traits"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (Index("traits_name", "name", "customer_id"),)

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    name: str = _text(primary_key=True)
    value: Any = _json()
    source_id: str = _text()
    observed_at: datetime = _moment()
    event_id: UUID


class Customer(Base, table=True):
    """One row per customer with a timeline: sums of it, and what is locked to conclude about the customer."""

    __tablename__ = "customers"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    # Every batch updates its customers' rows: room on the page keeps those updates out of the index.
    __table_args__ = {"postgresql_with": {"fillfactor": 70}}  # noqa: RUF012  # SQLAlchemy's own shape

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    first_event_at: datetime = _moment()
    latest_event_at: datetime = _moment()
    latest_event_id: UUID
    latest_anchor_id: UUID
    """Anchor of the latest event: what facts about conclusions hang on."""
    event_count: int = _number(BigInteger)
    purchase_count: int = _number(Integer, default=0)
    """Simulated purchases included."""
    purchase_total: Decimal = _number(Numeric, default=0)
    simulated_count: int = _number(Integer, default=0)
    simulated_total: Decimal = _number(Numeric, default=0)
    last_purchase_at: datetime | None = _moment(nullable=True)


class Segment(Base, table=True):
    """A segment: the edited condition, and the published one which memberships follow."""

    __tablename__ = "segments"
    __table_args__ = (Index("segments_key", "key", unique=True),)

    segment_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    key: str = _text()
    name: str = _text()
    description: str | None = _text(nullable=True)
    condition: dict[str, Any] = _json()
    revision: int = _number(Integer)
    """Counts edits; the ETag."""
    version: int = _number(Integer, default=0)
    """Counts publications; 0 before the first."""
    published_condition: dict[str, Any] | None = _json(nullable=True)
    published_at: datetime | None = _moment(nullable=True)


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
    since: datetime = _moment()
    valid_until: datetime | None = _moment(nullable=True)
    """When to ask again: never later than the moment time alone changes the answer, perhaps earlier."""


class Rank(Base, table=True):
    """A rank of the one table of ranks; the fulfilled one with the highest position wins."""

    __tablename__ = "ranks"

    key: str = _text(primary_key=True)
    name: str = _text()
    position: int = _number(SmallInteger)
    condition: dict[str, Any] = _json()


class RankTable(Base, table=True):
    """The table of ranks as a whole, for its version."""

    __tablename__ = "rank_tables"

    key: str = _text(primary_key=True)
    version: int = _number(Integer)


class CustomerRank(Base, table=True):
    """A customer's rank (null: none). No row: none, and time alone will not change that."""

    __tablename__ = "customer_ranks"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (
        Index("customer_ranks_due", "valid_until", postgresql_where=text("valid_until IS NOT NULL")),
        Index("customer_ranks_rank", "rank_key", "customer_id"),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    rank_key: str | None = _text(nullable=True)
    since: datetime = _moment()
    valid_until: datetime | None = _moment(nullable=True)


class Backfill(Base, table=True):
    """Everybody is being evaluated anew for one segment, or for the ranks; survives a restart at its cursor."""

    __tablename__ = "backfills"

    subject: str = _text(primary_key=True)
    """A segment's id, or `ranks`."""
    cursor: UUID | None = Field(sa_column=Column(Uuid, nullable=True))
    """The last customer done."""
    evaluated: int = _number(BigInteger, default=0)
    requested_at: datetime = _moment()
    finished_at: datetime | None = _moment(nullable=True)
