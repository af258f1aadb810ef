"""Merges, splits and undos, and what each moved."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Boolean, Column, DateTime, Float, Index, Integer, SmallInteger, Text, Uuid, text
from sqlmodel import Field

from identity_service.models.base import Base
from servicekit.tables import RowsFollow


class Decision(Base, table=True):
    """A merge, split or undo: what was decided, by whom or by which rule, and why. Never changed but by its undo."""

    __tablename__ = "decisions"
    __table_args__ = (
        Index("decisions_customer", "customer_id"),
        Index("decisions_decided_at", "decided_at", "decision_id"),
    )
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    decision_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    kind: str = Field(sa_column=Column(Text, nullable=False))
    """`merge`, `split` or `undo`."""
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    """The customer that stayed (merge, undo of a split) or was divided (split, undo of a merge)."""
    rule: str = Field(sa_column=Column(Text, nullable=False))
    """`same_event`, `alias`, `id_sync`, `probabilistic`, `review`, or `manual` for a person's own decision."""
    decided_by: str = Field(sa_column=Column(Text, nullable=False))
    """Subject of the token; `identity` for a rule's decision."""
    why: str = Field(sa_column=Column(Text, nullable=False))
    score: float | None = Field(sa_column=Column(Float))
    source_id: str | None = Field(sa_column=Column(Text))
    event_id: UUID | None = Field(sa_column=Column(Uuid))
    rules_version: int = Field(sa_column=Column(Integer, nullable=False))
    undoes: UUID | None = Field(sa_column=Column(Uuid))
    undone_by: UUID | None = Field(sa_column=Column(Uuid))
    decided_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Move(Base, table=True):
    """An anchor went over to another customer."""

    __tablename__ = "moves"
    __table_args__ = (
        Index("moves_decision", "decision_id"),
        Index("moves_moved_at", "moved_at", postgresql_using="brin"),
    )
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, primary_key=True))
    former_customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    source_id: str | None = Field(sa_column=Column(Text))
    event_id: UUID | None = Field(sa_column=Column(Uuid))
    moved_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    decision_id: UUID | None = Field(sa_column=Column(Uuid))
    """None only in rows of the version before."""


class Separation(Base, table=True):
    """A person said that these two sides are not one customer: no rule joins them while it is active."""

    __tablename__ = "separations"
    __table_args__ = (Index("separations_anchor", "anchor_id", postgresql_where=text("is_active")),)

    decision_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    side: int = Field(sa_column=Column(SmallInteger, nullable=False))
    """0: stayed, 1: went."""
    is_active: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="true"))
