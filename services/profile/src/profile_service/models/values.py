"""Computed traits, the lifecycle, what is taken by schedule: cut points and lifts of categories."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Column, Float, Index, Integer, Uuid, text
from sqlmodel import Field

from profile_service.models.base import Base, json_column, moment, number, text_column
from servicekit.tables import RowsFollow


class ComputedTrait(Base, table=True):
    """A Value under a key, computed when it is read."""

    __tablename__ = "computed_traits"

    key: str = text_column(primary_key=True)
    name: str = text_column()
    description: str | None = text_column(nullable=True)
    unit: str | None = text_column(nullable=True)
    value: dict[str, Any] = json_column()
    """The Value; made of `points` where these are given."""
    points: dict[str, Any] | None = json_column(nullable=True)
    version: int = number(Integer)
    updated_at: datetime = moment()


class ValueSettings(Base, table=True):
    """What is there once: `lifecycle` (its thresholds), `rfm` (which event and property)."""

    __tablename__ = "value_settings"

    key: str = text_column(primary_key=True)
    document: dict[str, Any] = json_column()
    version: int = number(Integer)
    updated_at: datetime = moment()


class CustomerLifecycle(Base, table=True):
    """A customer's lifecycle state as last concluded; kept only while a lifecycle has been put. Shaped like a rank."""

    __tablename__ = "customer_lifecycle"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (
        Index("customer_lifecycle_due", "valid_until", postgresql_where=text("valid_until IS NOT NULL")),
        Index("customer_lifecycle_state", "rank_key", "customer_id"),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    rank_key: str | None = text_column(nullable=True)
    """The state: named as in `customer_ranks`, whose statement it shares."""
    since: datetime = moment()
    valid_until: datetime | None = moment(nullable=True)


class Schedule(Base, table=True):
    """What is taken anew daily, weekly or monthly: cut points of a subject, or `category_lifts`."""

    __tablename__ = "schedules"
    __table_args__ = (Index("schedules_due", "next_at"),)

    subject: str = text_column(primary_key=True)
    document: dict[str, Any] = json_column()
    revision: int = number(Integer)
    """Counts edits; the ETag."""
    next_at: datetime = moment()
    version: int = number(Integer, default=0)
    """Counts takings; 0 before the first."""
    taken_at: datetime | None = moment(nullable=True)


class CutPoint(Base, table=True):
    """Where a measure lay in the population when it was taken. Kept as history."""

    __tablename__ = "cut_points"

    subject: str = text_column(primary_key=True)
    version: int = Field(sa_column=Column(Integer, primary_key=True))
    taken_at: datetime = moment()
    until: datetime = moment()
    kind: str = text_column()
    """`number` or `moment`."""
    customers: int = number(BigInteger)
    """Of whom the measure was not missing."""
    value: dict[str, Any] = json_column()
    """What was measured: a Value."""
    at_least: dict[str, Any] = json_column()
    """Percent -> the least value that so many percent of them lie below."""
    at_most: dict[str, Any] = json_column()
    """Percent -> the greatest value among the lowest so many percent."""


class CategoryLift(Base, table=True):
    """How much more often than others buyers of one category buy another."""

    __tablename__ = "category_lifts"

    from_category: str = text_column(primary_key=True)
    to_category: str = text_column(primary_key=True)
    version: int = Field(sa_column=Column(Integer, primary_key=True))
    customers: int = number(BigInteger)
    """Who bought both."""
    support: float = number(Float)
    confidence: float = number(Float)
    lift: float = number(Float)
