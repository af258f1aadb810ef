"""Identity's tables. The link graph is the truth that other services' anchors follow: its own rows follow nobody."""

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlmodel import Field

from servicekit.tables import RowsFollow, service_base

if TYPE_CHECKING:
    from sqlmodel import SQLModel

    Base = SQLModel  # mypy cannot follow a base class made at run time
else:
    Base = service_base()


class Source(Base, table=True):
    """A system of a department or partner that sends events."""

    __tablename__ = "sources"

    source_id: str = Field(sa_column=Column(Text, primary_key=True))
    name: str = Field(sa_column=Column(Text, nullable=False))
    department: str = Field(sa_column=Column(Text, nullable=False))
    brand: str = Field(sa_column=Column(Text, nullable=False))
    legal_entity: str = Field(sa_column=Column(Text, nullable=False))
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    key_hash: str = Field(sa_column=Column(Text, nullable=False, unique=True))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    updated_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Namespace(Base, table=True):
    """The rules of one kind of identifier."""

    __tablename__ = "namespaces"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    value_limit: int = Field(sa_column=Column(Integer, nullable=False))
    priority: int = Field(sa_column=Column(Integer, nullable=False))
    is_unique: bool
    blocked_values: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    updated_at: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    """None: as shipped."""


class Customer(Base, table=True):
    """A customer as known now; ids are UUIDv7, so they sort by age."""

    __tablename__ = "customers"
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class FormerCustomer(Base, table=True):
    """A customer that turned out to be another one; its id keeps resolving."""

    __tablename__ = "former_customers"
    __table_args__ = (Index("former_customers_current", "current_customer_id"),)
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    current_customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    event_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    merged_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Identifier(Base, table=True):
    """An identifier, which is an anchor: what facts hang on. `version` grows with every move."""

    __tablename__ = "identifiers"
    __table_args__ = (
        UniqueConstraint("namespace", "value", name="identifiers_namespace_value"),
        Index("identifiers_customer", "customer_id"),
    )
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    namespace: str = Field(sa_column=Column(Text, nullable=False))
    value: str = Field(sa_column=Column(Text, nullable=False))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    event_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    rule: str = Field(sa_column=Column(Text, nullable=False))
    linked_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Link(Base, table=True):
    """Evidence that two identifiers belong to one customer: the first event that carried both."""

    __tablename__ = "links"
    __table_args__ = (Index("links_other_anchor", "other_anchor_id"),)

    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    other_anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    event_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    rule: str = Field(sa_column=Column(Text, nullable=False))
    linked_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Move(Base, table=True):
    """An anchor went over to another customer."""

    __tablename__ = "moves"
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    version: int = Field(sa_column=Column(BigInteger, primary_key=True))
    former_customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    event_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    moved_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class MessageId(Base, table=True):
    """A message taken in. `event_id` is a digest of (source_id, message_id), which are the key in another form.

    The request and position tell a redelivery (publish the same again) from a repetition (drop it).
    """

    __tablename__ = "message_ids"
    __table_args__ = (Index("message_ids_received_at", "received_at", postgresql_using="brin"),)
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    event_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    request_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    position: int = Field(sa_column=Column(SmallInteger, nullable=False))
    anchor_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Duplicate(Base, table=True):
    """A repetition of a message that was dropped."""

    __tablename__ = "duplicates"
    __table_args__ = (Index("duplicates_received_at", "received_at", postgresql_using="brin"),)

    request_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    position: int = Field(sa_column=Column(SmallInteger, primary_key=True))
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Rejection(Base, table=True):
    """An event that could not be taken, kept for review."""

    __tablename__ = "rejections"
    __table_args__ = (Index("rejections_received_at", "received_at", "rejection_id"),)

    rejection_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    request_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    position: int = Field(sa_column=Column(SmallInteger, nullable=False))
    field: str = Field(sa_column=Column(Text, nullable=False))
    detail: str = Field(sa_column=Column(Text, nullable=False))
    payload: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    received_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class IngestTotals(Base, table=True):
    """One row: how many events were ever accepted, rejected and dropped as repetitions."""

    __tablename__ = "ingest_totals"

    singleton: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    accepted: int = Field(sa_column=Column(BigInteger, nullable=False))
    rejected: int = Field(sa_column=Column(BigInteger, nullable=False))
    duplicates: int = Field(sa_column=Column(BigInteger, nullable=False))
