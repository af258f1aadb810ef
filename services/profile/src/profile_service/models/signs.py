"""Signs (予兆) of a changing situation: definitions and versions, who shows which, and what was detected when."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Uuid, text
from sqlmodel import Field

from profile_service.models.base import Base, json_column, moment, number, text_column
from profile_service.models.definitions import Definition, Publication
from servicekit.tables import RowsFollow


class Sign(Definition, Base, table=True):
    """A sign: as it is edited, and as published, which is what is detected.

    `edited` and `published` are `{"condition", "strength", "lifetime_days", "outcome"}`: what a version consists of.
    """

    __tablename__ = "signs"
    __table_args__ = (Index("signs_key", "key", unique=True),)

    sign_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    meaning: str = text_column()
    edited: dict[str, Any] = json_column()
    published: dict[str, Any] | None = json_column(nullable=True)


class SignVersion(Publication, Base, table=True):
    """What a sign was from a publication on."""

    __tablename__ = "sign_versions"

    sign_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    version: int = Field(sa_column=Column(Integer, primary_key=True))
    definition: dict[str, Any] = json_column()


class CustomerSign(Base, table=True):
    """A customer's answer to a sign's condition, and whether the customer shows the sign.

    No row: neither, and time alone will not change that. After a move it is concluded from the detections, which have
    moved, and from what the condition says now.
    """

    __tablename__ = "customer_signs"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (
        Index("customer_signs_active", "sign_id", "customer_id", postgresql_where=text("is_active")),
        Index("customer_signs_due", "valid_until", postgresql_where=text("valid_until IS NOT NULL")),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    sign_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    holds: bool = Field(sa_column=Column(Boolean, nullable=False))
    """What the condition says."""
    is_active: bool = Field(sa_column=Column(Boolean, nullable=False))
    """The condition holds, or its lifetime since `renewed_at` has not passed."""
    detected_at: datetime | None = moment(nullable=True)
    """Since when it is shown."""
    renewed_at: datetime | None = moment(nullable=True)
    """When the condition last became true."""
    valid_until: datetime | None = moment(nullable=True)
    """When to ask again: never later than the moment time alone changes the answer, perhaps earlier."""


class SignDetection(Base, table=True):
    """A sign's condition became true of a customer. Only ever inserted: what was seen then is not concluded anew.

    A fact: it hangs on the anchor of the customer's latest event then and moves with it. So the history of a customer
    parted again is theirs again, and precision is told of whom the sign was seen in.
    """

    __tablename__ = "sign_detections"
    __rows_follow__: ClassVar[RowsFollow] = "move"
    __table_args__ = (
        Index("sign_detections_anchor", "anchor_id"),
        Index("sign_detections_sign", "sign_id", "detected_at", "customer_id"),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    sign_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    detected_at: datetime = Field(sa_column=Column(DateTime(timezone=True), primary_key=True))
    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    version: int = number(Integer)
    is_renewal: bool = Field(sa_column=Column(Boolean, nullable=False))
    """The sign was still shown: not counted as another detection."""
    reason: str = text_column()
    """As in the facts. `move`: true of customers only together, so it counts for nobody alone."""
