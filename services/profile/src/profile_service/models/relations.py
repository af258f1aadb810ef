"""Dates of persons related to a customer, which the customer gave for one purpose: what was said, and what holds."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import Boolean, Column, Index, SmallInteger, Uuid, text
from sqlmodel import Field

from profile_service.models.base import Base, moment, number, text_column
from servicekit.tables import RowsFollow


class RelationStatement(Base, table=True):
    """The customer gave a date, or took it back. What is taken back or has ended is kept without its content."""

    __tablename__ = "relation_statements"
    __rows_follow__: ClassVar[RowsFollow] = "move"
    __table_args__ = (Index("relation_statements_anchor", "anchor_id"),)

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    relation_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID
    source_id: str = text_column()
    given_at: datetime = moment()
    is_withdrawal: bool = Field(sa_column=Column(Boolean, nullable=False))
    purpose: str | None = text_column(nullable=True)
    """Null, as all that follows: a withdrawal, or content that is gone."""
    relation: str | None = text_column(nullable=True)
    occasion: str | None = text_column(nullable=True)
    month: int | None = number(SmallInteger, nullable=True)
    day: int | None = number(SmallInteger, nullable=True)
    year: int | None = number(SmallInteger, nullable=True)
    ends_at: datetime | None = moment(nullable=True)


class Relation(Base, table=True):
    """A date that holds: the latest statement on it by (given_at, event_id), unless that took it back or has ended.

    A row whose `ends_at` has come must not be used any more; it is deleted soon after.
    """

    __tablename__ = "relations"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (
        Index("relations_purpose", "purpose", "occasion", "month", "day", postgresql_include=["customer_id"]),
        Index("relations_anchor", "anchor_id"),
        Index("relations_ending", "ends_at", postgresql_where=text("ends_at IS NOT NULL")),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    relation_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID
    event_id: UUID
    source_id: str = text_column()
    given_at: datetime = moment()
    purpose: str = text_column()
    """The only one it may be used for."""
    relation: str = text_column()
    """At most a label such as `wife`."""
    occasion: str = text_column()
    """Such as `birthday`."""
    month: int = number(SmallInteger)
    day: int = number(SmallInteger)
    """February has 29."""
    year: int | None = number(SmallInteger, nullable=True)
    """Null: unknown."""
    ends_at: datetime | None = moment(nullable=True)
    """From this moment on it must not be used; null: until it is taken back."""
