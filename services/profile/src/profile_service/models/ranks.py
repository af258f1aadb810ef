"""The table of ranks, and who holds which."""

from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, Index, Integer, Numeric, SmallInteger, Uuid, text
from sqlmodel import Field

from profile_service.models.base import Base, json_column, moment, number, text_column
from servicekit.tables import RowsFollow


class Rank(Base, table=True):
    """A rank of the one table of ranks; the fulfilled one with the highest position wins."""

    __tablename__ = "ranks"

    key: str = text_column(primary_key=True)
    name: str = text_column()
    position: int = number(SmallInteger)
    condition: dict[str, Any] | None = json_column(nullable=True)
    threshold: Decimal | None = number(Numeric, nullable=True)
    """Instead of a condition: what the table's measure must reach."""


class RankTable(Base, table=True):
    """The table of ranks as a whole, for its version."""

    __tablename__ = "rank_tables"

    key: str = text_column(primary_key=True)
    version: int = number(Integer)
    measure: dict[str, Any] | None = json_column(nullable=True)
    """The Value that thresholds are compared with."""


class CustomerRank(Base, table=True):
    """A customer's rank (null: none). No row: none, and time alone will not change that."""

    __tablename__ = "customer_ranks"
    __rows_follow__: ClassVar[RowsFollow] = "recompute"
    __table_args__ = (
        Index("customer_ranks_due", "valid_until", postgresql_where=text("valid_until IS NOT NULL")),
        Index("customer_ranks_rank", "rank_key", "customer_id"),
    )

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    rank_key: str | None = text_column(nullable=True)
    since: datetime = moment()
    valid_until: datetime | None = moment(nullable=True)
