"""Delivery's tables.

Addresses stand only in `contact_points`, `permission_records`, `permissions` and `suppressions`; messages name the
contact point's anchor, and hold template, version and variables instead of rendered text.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from servicekit.tables import service_base

if TYPE_CHECKING:
    from sqlmodel import SQLModel

    Base = SQLModel  # mypy cannot follow a base class made at run time
else:
    Base = service_base()

STATES = ("requested", "reserved", "sending", "sent", "bounced", "failed", "unknown")
"""requested -> reserved (claimed, the relay knows nothing) -> sending (the relay may have it) -> one of the others."""


def _moment(*, nullable: bool = False) -> Column[Any]:  # SQLAlchemy's column of datetime | None
    return Column(DateTime(timezone=True), nullable=nullable)


class ContactPoint(Base, table=True):
    """Delivery's own projection of addresses: an identifier that mail (or later SMS) reaches."""

    __tablename__ = "contact_points"
    __rows_follow__ = "move"
    __table_args__ = (
        Index("contact_points_customer", "customer_id", "channel"),
        Index("contact_points_address", "channel", "address"),
    )

    anchor_id: UUID = Field(primary_key=True)
    customer_id: UUID
    channel: str = Field(sa_type=Text)
    address: str = Field(sa_type=Text)
    source_id: str = Field(sa_type=Text)
    legal_entity: str | None = Field(default=None, sa_type=Text)
    """Whose source brought it first; None: of the time before this was said."""
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    """For what it may be used; empty: for every purpose of its legal entity."""
    linked_at: datetime = Field(sa_column=_moment())


class ContactPointGrant(Base, table=True):
    """For whom else a contact point was brought, or for what else. May be here before the contact point is."""

    __tablename__ = "contact_point_grants"
    __rows_follow__ = "move"
    __table_args__ = (Index("contact_point_grants_customer", "customer_id"),)

    anchor_id: UUID = Field(primary_key=True)
    legal_entity: str = Field(sa_type=Text, primary_key=True)
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), primary_key=True))
    """Empty: every purpose of its legal entity."""
    customer_id: UUID
    source_id: str = Field(sa_type=Text)
    granted_at: datetime = Field(sa_column=_moment())


class PermissionRecord(Base, table=True):
    """One statement about an address and a topic; never changed, never deleted but by erasure."""

    __tablename__ = "permission_records"
    __table_args__ = (
        UniqueConstraint(
            "channel",
            "address",
            "topic",
            "recorded_at",
            "status",
            "basis",
            "legal_entity",
            name="permission_records_statement",
        ),
    )

    record_id: UUID = Field(primary_key=True)
    channel: str = Field(sa_type=Text)
    address: str = Field(sa_type=Text)
    topic: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    basis: str = Field(sa_type=Text)
    legal_entity: str = Field(sa_type=Text)
    recorded_at: datetime = Field(sa_column=_moment())
    received_at: datetime = Field(sa_column=_moment())


class Permission(Base, table=True):
    """What holds now: the latest statement; of two at the same instant the withdrawal."""

    __tablename__ = "permissions"
    __table_args__ = (CheckConstraint("status IN ('granted', 'withdrawn')", name="permissions_status"),)

    channel: str = Field(sa_type=Text, primary_key=True)
    address: str = Field(sa_type=Text, primary_key=True)
    topic: str = Field(sa_type=Text, primary_key=True)
    status: str = Field(sa_type=Text)
    basis: str = Field(sa_type=Text)
    legal_entity: str = Field(sa_type=Text)
    recorded_at: datetime = Field(sa_column=_moment())
    record_id: UUID


class Suppression(Base, table=True):
    """An address nothing is sent to, whatever is permitted."""

    __tablename__ = "suppressions"
    __table_args__ = (CheckConstraint("reason IN ('hard_bounce', 'complaint', 'manual')", name="suppressions_reason"),)

    channel: str = Field(sa_type=Text, primary_key=True)
    address: str = Field(sa_type=Text, primary_key=True)
    reason: str = Field(sa_type=Text)
    message_id: UUID | None = None
    created_at: datetime = Field(sa_column=_moment())


class ErasedAddress(Base, table=True):
    """An address of an erased customer, known only by its keyed hash; see privacy.py."""

    __tablename__ = "erased_addresses"

    digest: bytes = Field(sa_column=Column(LargeBinary, primary_key=True))
    suppression: str | None = Field(default=None, sa_type=Text)
    """Why nothing may be sent to it, should it become known again."""
    erased_at: datetime = Field(sa_column=_moment())
    """Permissions recorded before and told later are dropped."""


class Topic(Base, table=True):
    """What a permission is asked for, and how often it may be used."""

    __tablename__ = "topics"

    key: str = Field(sa_type=Text, primary_key=True)
    name: str = Field(sa_type=Text)
    cap_messages: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    cap_days: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    legal_entity: str | None = Field(default=None, sa_type=Text)
    """Who sends; None: nobody in particular, and contact points of every legal entity are used."""
    purpose: str | None = Field(default=None, sa_type=Text)
    """For what; None: `rules.DEFAULT_PURPOSES` says."""
    version: int = Field(sa_column=Column(Integer, nullable=False))
    updated_at: datetime = Field(sa_column=_moment())


class Agreement(Base, table=True):
    """`to_entity` may use what the sources of `from_entity` linked; identity's, here in its latest version."""

    __tablename__ = "agreements"
    __table_args__ = (Index("agreements_entities", "to_entity", "from_entity"),)

    agreement_id: str = Field(sa_type=Text, primary_key=True)
    version: int = Field(sa_column=Column(Integer, nullable=False))
    from_entity: str = Field(sa_type=Text)
    to_entity: str = Field(sa_type=Text)
    purposes: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False, server_default="{}"))
    """For what; empty: for every purpose."""
    valid_from: datetime = Field(sa_column=_moment())
    valid_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    """The first moment at which it no longer holds."""
    removed: bool


class Template(Base, table=True):
    """A template's present version."""

    __tablename__ = "templates"
    __table_args__ = (CheckConstraint("category IN ('advertising', 'transactional')", name="templates_category"),)

    key: str = Field(sa_type=Text, primary_key=True)
    version: int = Field(sa_column=Column(Integer, nullable=False))
    category: str = Field(sa_type=Text)
    updated_at: datetime = Field(sa_column=_moment())


class TemplateVersion(Base, table=True):
    """Every version is kept: the links of a mail sent last year lead where that version said."""

    __tablename__ = "template_versions"

    template_key: str = Field(sa_type=Text, primary_key=True)
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    definition: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))  # JSON of schemas.TemplateBody
    links: list[dict[str, str]] = Field(sa_column=Column(JSONB, nullable=False))
    """Beside the definition, so that a click does not have to unpack the whole HTML."""
    utm: bool
    created_at: datetime = Field(sa_column=_moment())


class Message(Base, table=True):
    """One message to one customer; `message_id` is the requester's idempotency key."""

    __tablename__ = "messages"
    __rows_follow__ = "move"
    __table_args__ = (
        CheckConstraint(f"state IN {STATES}", name="messages_state"),
        Index("messages_due", "due_at", "sequence", postgresql_where=text("state = 'requested'")),
        Index("messages_leased", "lease_until", postgresql_where=text("state IN ('reserved', 'sending')")),
        Index("messages_customer", "customer_id", "requested_at"),
        Index("messages_anchor", "anchor_id"),
        Index(
            "messages_counted", "customer_id", "topic", "counted_at", postgresql_where=text("counted_at IS NOT NULL")
        ),
    )

    message_id: UUID = Field(primary_key=True)
    sequence: int = Field(sa_column=Column(BigInteger, Identity(always=True), nullable=False))
    anchor_id: UUID
    """That of the request; once the message is on its way that of the contact point it goes to."""
    customer_id: UUID
    run_id: UUID | None = None
    campaign_key: str | None = Field(default=None, sa_type=Text)
    channel: str = Field(sa_type=Text)
    template_key: str = Field(sa_type=Text)
    template_version: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    topic: str = Field(sa_type=Text)
    variables: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))  # JSON values of the request
    state: str = Field(sa_type=Text)
    requested_at: datetime = Field(sa_column=_moment())
    due_at: datetime = Field(sa_column=_moment())
    attempts: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    lease_id: UUID | None = None
    lease_until: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    counted_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    contact_anchor_id: UUID | None = None
    sent_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    opened_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    clicked_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    failure_reason: str | None = Field(default=None, sa_type=Text)
    traceparent: str | None = Field(default=None, sa_type=Text)
    """The trace of the request (W3C), which deciding and sending continue."""


class MessageClick(Base, table=True):
    """The first click of each link of a message."""

    __tablename__ = "message_clicks"

    message_id: UUID = Field(primary_key=True)
    link_index: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    clicked_at: datetime = Field(sa_column=_moment())
