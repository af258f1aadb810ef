"""How traits are folded, and what sources took back."""

from datetime import datetime
from typing import ClassVar
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Index, Integer, Text, Uuid, text
from sqlmodel import Field

from profile_service.models.base import Base, json_column, moment, number, text_column
from servicekit.tables import RowsFollow


class TraitDefinition(Base, table=True):
    """What a trait is and how sources' words on it are folded. A trait without one: any value, the latest wins."""

    __tablename__ = "trait_definitions"

    name: str = text_column(primary_key=True)
    type: str | None = text_column(nullable=True)
    shape: str | None = text_column(nullable=True)
    """The type as an SQL/JSON path that values which count match; null: all of them."""
    policy: str = text_column()
    """`latest`, `most_trusted`, `max`, `min` or `union`."""
    trusted: list[dict[str, str]] = json_column()
    """`[{source}, {department}]`, the most trusted first."""
    description: str | None = text_column(nullable=True)
    is_sensitive: bool = Field(sa_column=Column(Boolean, nullable=False))
    labels: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    revision: int = number(Integer)
    """Counts edits; the ETag."""
    updated_at: datetime = moment()


class TraitRefold(Base, table=True):
    """Everybody's trait of that name is being folded anew; survives a restart at its cursor."""

    __tablename__ = "trait_refolds"

    name: str = text_column(primary_key=True)
    requested_at: datetime = moment()
    began_at: datetime | None = moment(nullable=True)
    """When everybody who might write by the former policy had ended."""
    cursor: UUID | None = Field(sa_column=Column(Uuid, nullable=True))
    refolded: int = number(BigInteger, default=0)
    finished_at: datetime | None = moment(nullable=True)


class TraitRetraction(Base, table=True):
    """A source took back what it said of a trait: of a customer, or of everybody (then it is a job with a cursor)."""

    __tablename__ = "trait_retractions"
    __table_args__ = (
        Index("trait_retractions_everybody", "source_id", "name", postgresql_where=text("is_for_everybody")),
    )

    retraction_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    name: str = text_column()
    source_id: str = text_column()
    is_for_everybody: bool = Field(sa_column=Column(Boolean, nullable=False))
    until: datetime = moment()
    """What was observed up to this moment is taken back, also what arrives later."""
    why: str = text_column()
    asked_by: str = text_column()
    requested_at: datetime = moment()
    began_at: datetime | None = moment(nullable=True)
    cursor: UUID | None = Field(sa_column=Column(Uuid, nullable=True))
    retracted: int = number(BigInteger, default=0)
    """Observations that were there."""
    finished_at: datetime | None = moment(nullable=True)


class RetractedAnchor(Base, table=True):
    """An anchor of a customer of whom a source took something back: what arrives late on it is taken back too."""

    __tablename__ = "retracted_anchors"
    __rows_follow__: ClassVar[RowsFollow] = "move"
    __table_args__ = (Index("retracted_anchors_anchor", "anchor_id"),)

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    retraction_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    name: str = text_column()
    source_id: str = text_column()
    until: datetime = moment()
