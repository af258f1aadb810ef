"""Campaign's tables."""

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
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


def _moment(*, nullable: bool = False) -> Column[Any]:  # SQLAlchemy's column of datetime | None
    return Column(DateTime(timezone=True), nullable=nullable)


def _key_of(table: str, *, primary_key: bool = False) -> Column[Any]:  # SQLAlchemy's column of str
    return Column(Text, ForeignKey(f"{table}.key"), nullable=False, primary_key=primary_key)


class Creative(Base, table=True):
    """What customers are shown: an advertisement, a page, a mail's content."""

    __tablename__ = "creatives"

    key: str = Field(sa_type=Text, primary_key=True)
    name: str = Field(sa_type=Text)
    medium: str = Field(sa_type=Text)
    headline: str | None = Field(default=None, sa_type=Text)
    body: str | None = Field(default=None, sa_type=Text)
    url: str | None = Field(default=None, sa_type=Text)
    version: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())


class Campaign(Base, table=True):
    """Something done for customers, and its goal: an event of theirs within days of the assignment."""

    __tablename__ = "campaigns"

    key: str = Field(sa_type=Text, primary_key=True)
    name: str = Field(sa_type=Text)
    goal_event: str = Field(sa_type=Text)
    goal_sum_property: str | None = Field(default=None, sa_type=Text)
    goal_window_days: int = Field(sa_column=Column(Integer, nullable=False))
    creative_keys: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    version: int = Field(sa_column=Column(Integer, nullable=False))
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())


class Journey(Base, table=True):
    """A journey: its draft, and which version customers follow. Trigger columns are those of the published version."""

    __tablename__ = "journeys"
    __table_args__ = (
        CheckConstraint("status IN ('draft', 'published', 'paused')", name="journeys_status"),
        Index("journeys_segment", "segment_key", postgresql_where=text("status = 'published'")),
        Index("journeys_event", "event", postgresql_where=text("status = 'published'")),
    )

    key: str = Field(sa_type=Text, primary_key=True)
    campaign_key: str = Field(sa_column=_key_of("campaigns"))
    status: str = Field(sa_type=Text)
    version: int = Field(sa_column=Column(Integer, nullable=False))
    definition: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))  # JSON of rules.definition.Definition
    published_version: int | None = Field(default=None, sa_column=Column(Integer, nullable=True))
    published_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    active_since: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    """Since when customers enter without a break: events before it start no run, however late they arrive."""
    segment_key: str | None = Field(default=None, sa_type=Text)
    event: str | None = Field(default=None, sa_type=Text)
    created_at: datetime = Field(sa_column=_moment())
    updated_at: datetime = Field(sa_column=_moment())


class JourneyVersion(Base, table=True):
    """A published definition, never changed: a run follows the version it began with."""

    __tablename__ = "journey_versions"

    journey_key: str = Field(sa_column=_key_of("journeys", primary_key=True))
    version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    definition: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))  # JSON of rules.definition.Definition
    published_at: datetime = Field(sa_column=_moment())


class MemberEntry(Base, table=True):
    """The present members of a segment on their way into a journey, page by page."""

    __tablename__ = "member_entries"
    __table_args__ = (Index("member_entries_due", "due_at", postgresql_where=text("done_at IS NULL")),)

    journey_key: str = Field(sa_column=_key_of("journeys", primary_key=True))
    journey_version: int = Field(sa_column=Column(Integer, primary_key=True, autoincrement=False))
    segment_key: str = Field(sa_type=Text)
    after: str | None = Field(default=None, sa_type=Text)
    """The cursor of the last page that has entered."""
    due_at: datetime = Field(sa_column=_moment())
    entered: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    requested_at: datetime = Field(sa_column=_moment())
    done_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))


class Run(Base, table=True):
    """One customer's way through one journey version."""

    __tablename__ = "runs"
    __rows_follow__ = "move"
    __table_args__ = (
        CheckConstraint("status IN ('active', 'ended')", name="runs_status"),
        CheckConstraint("arm IN ('treatment', 'holdout')", name="runs_arm"),
        Index("runs_due", "journey_key", "wake_at", postgresql_where=text("status = 'active'")),
        Index("runs_journey_customer", "journey_key", "customer_id"),
        Index("runs_customer", "customer_id", "started_at"),
        Index("runs_anchor", "anchor_id"),
    )

    run_id: UUID = Field(primary_key=True)
    customer_id: UUID
    anchor_id: UUID
    journey_key: str = Field(sa_type=Text)
    journey_version: int = Field(sa_column=Column(Integer, nullable=False))
    campaign_key: str = Field(sa_type=Text)
    step: str = Field(sa_type=Text)
    visit: int = Field(sa_column=Column(Integer, nullable=False))
    """How many steps the run has left behind, so that (run, step, visit) never comes twice."""
    status: str = Field(sa_type=Text)
    arm: str | None = Field(default=None, sa_type=Text)
    triggered_at: datetime = Field(sa_column=_moment())
    started_at: datetime = Field(sa_column=_moment())
    wake_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    ended_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    outcome: str | None = Field(default=None, sa_type=Text)
    yields_to: UUID | None = None
    """Ended because two customers became one: the older run that goes on in its stead. See unite_runs.sql."""
    traceparent: str | None = Field(default=None, sa_type=Text)
    """The trace the run began in (W3C): whatever it does later continues it."""


class EarlyEntry(Base, table=True):
    """An entry that started no run, of a customer whom the fact named and who does not hold its anchor (yet)."""

    __tablename__ = "early_entries"
    __rows_follow__ = "move"
    __table_args__ = (Index("early_entries_customer", "customer_id"), Index("early_entries_anchor", "anchor_id"))

    journey_key: str = Field(sa_column=_key_of("journeys", primary_key=True))
    cause: str = Field(sa_type=Text, primary_key=True)
    anchor_id: UUID = Field(primary_key=True)
    customer_id: UUID
    """Who holds the anchor."""
    named_customer_id: UUID
    triggered_at: datetime = Field(sa_column=_moment())
    held_at: datetime = Field(sa_column=_moment())


class Assignment(Base, table=True):
    """Which arm of a campaign a customer was assigned at first entry, and what they bought in the goal's window since.

    The arm stays with the anchor when customers merge or split; it is never drawn again.
    """

    __tablename__ = "assignments"
    __rows_follow__ = "move"
    __table_args__ = (
        CheckConstraint("arm IN ('treatment', 'holdout')", name="assignments_arm"),
        Index("assignments_customer", "campaign_key", "customer_id"),
        Index("assignments_anchor", "anchor_id"),
        Index("assignments_due", "due_at", postgresql_where=text("due_at IS NOT NULL")),
    )

    campaign_key: str = Field(sa_column=_key_of("campaigns", primary_key=True))
    anchor_id: UUID = Field(primary_key=True)
    customer_id: UUID
    assigned_id: UUID
    """The customer's id when the arm was drawn: what the keyed hash was taken of."""
    arm: str = Field(sa_type=Text)
    assigned_at: datetime = Field(sa_column=_moment())
    purchases: int = Field(sa_column=Column(Integer, nullable=False, server_default="0"))
    revenue: Decimal = Field(sa_column=Column(Numeric, nullable=False, server_default="0"))
    read_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    """What was bought is known as of then."""
    due_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    """When to read again; None: finally read."""


class MessageOutcome(Base, table=True):
    """What became of one message of a campaign, as delivery says."""

    __tablename__ = "message_outcomes"
    __rows_follow__ = "move"
    __table_args__ = (
        Index("message_outcomes_campaign", "campaign_key", "customer_id"),
        Index("message_outcomes_anchor", "anchor_id"),
    )

    message_id: UUID = Field(primary_key=True)
    customer_id: UUID
    anchor_id: UUID
    run_id: UUID | None = None
    campaign_key: str = Field(sa_type=Text)
    sent_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    opened_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    clicked_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    failed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    failure_reason: str | None = Field(default=None, sa_type=Text)


class IssuedCoupon(Base, table=True):
    """A code given to one run, good for one purchase."""

    __tablename__ = "coupons"
    __rows_follow__ = "move"
    __table_args__ = (
        CheckConstraint("status IN ('issued', 'redeemed')", name="coupons_status"),
        UniqueConstraint("message_id", name="coupons_message"),
        Index("coupons_campaign", "campaign_key"),
        Index("coupons_anchor", "anchor_id"),
        Index("coupons_issued", "status", postgresql_where=text("status = 'issued'")),
    )

    code: str = Field(sa_type=Text, primary_key=True)
    message_id: UUID
    run_id: UUID
    customer_id: UUID
    anchor_id: UUID
    campaign_key: str = Field(sa_type=Text)
    status: str = Field(sa_type=Text)
    issued_at: datetime = Field(sa_column=_moment())
    redeemed_at: datetime | None = Field(default=None, sa_column=_moment(nullable=True))
    redeemed_by: UUID | None = None
    """The purchase: the event's id."""
