"""Conclusions about a customer as such: the fold of traits, sums."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import BigInteger, Column, Index, Integer, Numeric, Uuid, text
from sqlmodel import Field

from profile_service.models.base import LONG_AGO, Base, json_column, moment, number, text_column
from servicekit.tables import RowsFollow


class Trait(Base, table=True):
    """The fold of a customer's observations of one name over all anchors, by the trait's policy.

    There is a row for whatever was ever observed: with the value null where nothing counts.
    """

    __tablename__ = "traits"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (Index("traits_name", "name", "customer_id"),)

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    name: str = text_column(primary_key=True)
    value: Any = json_column()
    source_id: str = text_column()
    observed_at: datetime = moment()
    event_id: UUID
    """Of the observation that won (of the latest one where several did, or none)."""
    received_at: datetime = moment(default=LONG_AGO)


class Customer(Base, table=True):
    """One row per customer with a timeline: sums of it, and what is locked to conclude about the customer."""

    __tablename__ = "customers"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (
        # customers in an order that has nothing to do with them: its first thousands are a fair sample, always the same
        Index("customers_at_random", text("uuid_hash_extended(customer_id, 0)"), postgresql_include=["customer_id"]),
        # Every batch updates its customers' rows: room on the page keeps those updates out of the indexes.
        {"postgresql_with": {"fillfactor": 70}},
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    first_event_at: datetime = moment()
    latest_event_at: datetime = moment()
    latest_event_id: UUID
    latest_anchor_id: UUID
    """Anchor of the latest event: what facts about conclusions hang on."""
    event_count: int = number(BigInteger)
    purchase_count: int = number(Integer, default=0)
    """Simulated purchases included."""
    purchase_total: Decimal = number(Numeric, default=0)
    simulated_count: int = number(Integer, default=0)
    simulated_total: Decimal = number(Numeric, default=0)
    last_purchase_at: datetime | None = moment(nullable=True)
