"""The link graph: customers, identifiers, the evidence between them, what sources say of the person."""

from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    LargeBinary,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from identity_service.models.base import Base
from servicekit.tables import RowsFollow


class Customer(Base, table=True):
    """A customer as known now; ids are UUIDv7, so they sort by age."""

    __tablename__ = "customers"
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False, server_default="1"))
    """Grows with every change of what the customer holds: a change is made on what was read, or done again."""


class FormerCustomer(Base, table=True):
    """A customer that turned out to be another one. Its id resolves to whoever holds its oldest anchor now."""

    __tablename__ = "former_customers"
    __table_args__ = (
        Index("former_customers_current", "current_customer_id"),
        Index("former_customers_anchor", "anchor_id"),
    )
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    customer_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    anchor_id: UUID | None = Field(sa_column=Column(Uuid))
    """None only in rows of the version before, until the resolver's migration filled them."""
    current_customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    """As it was at the merge; kept for the version before."""
    source_id: str | None = Field(sa_column=Column(Text))
    event_id: UUID | None = Field(sa_column=Column(Uuid))
    merged_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Identifier(Base, table=True):
    """An identifier, which is an anchor: what facts hang on. `version` grows with every move.

    An identifier of a shared namespace has one anchor for each customer that used it; one of them is current.
    """

    __tablename__ = "identifiers"
    __table_args__ = (
        Index(
            "identifiers_current",
            "namespace",
            "value",
            unique=True,
            postgresql_where=text("is_current"),
        ),
        Index("identifiers_customer", "customer_id"),
        Index("identifiers_former", "customer_id", "namespace", "value", postgresql_where=text("NOT is_current")),
        Index("identifiers_digest", "digest", postgresql_where=text("digest IS NOT NULL")),
    )
    __rows_follow__: ClassVar[RowsFollow] = "keep"

    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    namespace: str = Field(sa_column=Column(Text, nullable=False))
    value: str = Field(sa_column=Column(Text, nullable=False))
    is_current: bool = Field(sa_column=Column(Boolean, nullable=False, server_default="true"))
    """False: later events with this identifier hang on another customer's anchor."""
    customer_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    version: int = Field(sa_column=Column(BigInteger, nullable=False))
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    """The first source that brought it."""
    sources: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    """Every source that brought it; empty in rows of the version before: then `source_id` alone."""
    event_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    rule: str = Field(sa_column=Column(Text, nullable=False))
    linked_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    digest: bytes | None = Field(sa_column=Column(LargeBinary))
    """Keyed hash of the SHA-256 of the value, for namespaces that partners send hashed; see rules/hashing.py."""
    not_before: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    """The identifier was erased then: what occurred earlier is dropped."""
    legal_entity: str | None = Field(sa_column=Column(Text))
    """For whom it was brought first; None in rows of the version before: then its source says."""
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    """For what it was; empty: for every purpose of its legal entity."""


class IdentifierGrant(Base, table=True):
    """An identifier was brought for another legal entity than the first, too, or for more purposes."""

    __tablename__ = "identifier_grants"

    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    legal_entity: str = Field(sa_column=Column(Text, primary_key=True))
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), primary_key=True))
    """Sorted; empty: every purpose."""
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    event_id: UUID | None = Field(sa_column=Column(Uuid))
    """The first event that showed it; None where the version before did not keep it."""
    granted_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Retelling(Base, table=True):
    """What is told once more to other services, and how far that is: the last anchor told. No row: nothing."""

    __tablename__ = "retellings"

    name: str = Field(sa_column=Column(Text, primary_key=True))
    after: UUID = Field(sa_column=Column(Uuid, nullable=False))


class Link(Base, table=True):
    """Evidence that two identifiers belong to one customer: the first event of each source that carried both."""

    __tablename__ = "links"
    __table_args__ = (Index("links_other_anchor", "other_anchor_id"),)

    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    other_anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    source_id: str = Field(sa_column=Column(Text, primary_key=True))
    event_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    rule: str = Field(sa_column=Column(Text, nullable=False))
    """`same_event`, `alias`, `id_sync`, `probabilistic`, `decision`."""
    score: float | None = Field(sa_column=Column(Float))
    """Probability (0-1) of a probabilistic link; None for a certain one."""
    legal_entity: str | None = Field(sa_column=Column(Text))
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    """For what the link may be used; empty: for every purpose of its legal entity."""
    linked_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class HeldApart(Base, table=True):
    """An event carried this identifier with that anchor, and a rule kept them apart: what a dry run may join."""

    __tablename__ = "held_apart"
    __table_args__ = (Index("held_apart_value", "namespace", "value"),)

    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    namespace: str = Field(sa_column=Column(Text, primary_key=True))
    value: str = Field(sa_column=Column(Text, primary_key=True))
    reason: str = Field(sa_column=Column(Text, nullable=False))
    """`limit`, `unique`, `separated`, `unverified`, `not_permitted`, `shared`."""
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    event_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    held_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class PersonRecord(Base, table=True):
    """What one source says of the person behind an anchor: as written, and normalised for comparison."""

    __tablename__ = "person_records"
    __table_args__ = (Index("person_records_changed_at", "changed_at"),)

    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    source_id: str = Field(sa_column=Column(Text, primary_key=True))
    written: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    normal: dict[str, str] = Field(sa_column=Column(JSONB, nullable=False))
    """Keys: rules.normalisation.person.FIELDS."""
    stated_at: dict[str, str] = Field(
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default="{}")
    )
    """Per field, when it was said so (UTC, ISO 8601): a later event wins field by field."""
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    """Of the latest event."""
    changed_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))


class Group(Base, table=True):
    """A company account, household or club that customers belong to (Segment's `group` call)."""

    __tablename__ = "groups"

    group_id: str = Field(sa_column=Column(Text, primary_key=True))
    traits: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))  # free JSON by the Segment specification
    stated_at: dict[str, str] = Field(
        default_factory=dict, sa_column=Column(JSONB, nullable=False, server_default="{}")
    )
    """Per trait, when it was said so (UTC, ISO 8601): a later event wins trait by trait."""
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    occurred_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
    """Of the latest event."""


class GroupMember(Base, table=True):
    """An anchor belongs to a group; hence the customer that holds the anchor does."""

    __tablename__ = "group_members"
    __table_args__ = (Index("group_members_anchor", "anchor_id"),)

    group_id: str = Field(sa_column=Column(Text, primary_key=True))
    anchor_id: UUID = Field(sa_column=Column(Uuid, primary_key=True))
    source_id: str = Field(sa_column=Column(Text, nullable=False))
    event_id: UUID = Field(sa_column=Column(Uuid, nullable=False))
    joined_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
