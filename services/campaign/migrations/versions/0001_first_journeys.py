"""Creatives, campaigns, journeys with their versions, runs, assignments to arms, outcomes of messages, coupons."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from servicekit.migrations import create_chassis

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_chassis(op)
    _create_campaigns()
    _create_journeys()
    _create_runs()
    _create_assignments()
    _create_outcomes()
    _create_coupons()


def _create_campaigns() -> None:
    op.create_table(
        "creatives",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("medium", sa.Text, nullable=False),
        sa.Column("headline", sa.Text),
        sa.Column("body", sa.Text),
        sa.Column("url", sa.Text),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
    )
    op.create_table(
        "campaigns",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("goal_event", sa.Text, nullable=False),
        sa.Column("goal_sum_property", sa.Text),
        sa.Column("goal_window_days", sa.Integer, nullable=False),
        sa.Column("creative_keys", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
    )


def _create_journeys() -> None:
    op.create_table(
        "journeys",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("campaign_key", sa.Text, sa.ForeignKey("campaigns.key"), nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("definition", JSONB, nullable=False),
        sa.Column("published_version", sa.Integer),
        sa.Column("published_at", INSTANT),
        sa.Column("active_since", INSTANT),
        sa.Column("segment_key", sa.Text),
        sa.Column("event", sa.Text),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
        sa.CheckConstraint("status IN ('draft', 'published', 'paused')", name="journeys_status"),
    )
    published = sa.text("status = 'published'")
    op.create_index("journeys_segment", "journeys", ["segment_key"], postgresql_where=published)
    op.create_index("journeys_event", "journeys", ["event"], postgresql_where=published)
    op.create_table(
        "journey_versions",
        sa.Column("journey_key", sa.Text, sa.ForeignKey("journeys.key"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("definition", JSONB, nullable=False),
        sa.Column("published_at", INSTANT, nullable=False),
    )
    op.create_table(
        "member_entries",
        sa.Column("journey_key", sa.Text, sa.ForeignKey("journeys.key"), primary_key=True),
        sa.Column("journey_version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("segment_key", sa.Text, nullable=False),
        sa.Column("after", sa.Text),
        sa.Column("due_at", INSTANT, nullable=False),
        sa.Column("entered", sa.Integer, nullable=False, server_default="0"),
        sa.Column("requested_at", INSTANT, nullable=False),
        sa.Column("done_at", INSTANT),
    )
    op.create_index("member_entries_due", "member_entries", ["due_at"], postgresql_where=sa.text("done_at IS NULL"))


def _create_runs() -> None:
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("journey_key", sa.Text, nullable=False),
        sa.Column("journey_version", sa.Integer, nullable=False),
        sa.Column("campaign_key", sa.Text, nullable=False),
        sa.Column("step", sa.Text, nullable=False),
        sa.Column("visit", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("arm", sa.Text),
        sa.Column("triggered_at", INSTANT, nullable=False),
        sa.Column("started_at", INSTANT, nullable=False),
        sa.Column("wake_at", INSTANT),
        sa.Column("ended_at", INSTANT),
        sa.Column("outcome", sa.Text),
        sa.CheckConstraint("status IN ('active', 'ended')", name="runs_status"),
        sa.CheckConstraint("arm IN ('treatment', 'holdout')", name="runs_arm"),
    )
    active = sa.text("status = 'active'")
    op.create_index("runs_due", "runs", ["journey_key", "wake_at"], postgresql_where=active)
    op.create_index("runs_journey_customer", "runs", ["journey_key", "customer_id"])
    op.create_index("runs_customer", "runs", ["customer_id", "started_at"])
    op.create_index("runs_anchor", "runs", ["anchor_id"])


def _create_assignments() -> None:
    op.create_table(
        "assignments",
        sa.Column("campaign_key", sa.Text, sa.ForeignKey("campaigns.key"), primary_key=True),
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("assigned_id", sa.Uuid, nullable=False),
        sa.Column("arm", sa.Text, nullable=False),
        sa.Column("assigned_at", INSTANT, nullable=False),
        sa.Column("purchases", sa.Integer, nullable=False, server_default="0"),
        sa.Column("revenue", sa.Numeric, nullable=False, server_default="0"),
        sa.Column("read_at", INSTANT),
        sa.Column("due_at", INSTANT),
        sa.CheckConstraint("arm IN ('treatment', 'holdout')", name="assignments_arm"),
    )
    op.create_index("assignments_customer", "assignments", ["campaign_key", "customer_id"])
    op.create_index("assignments_anchor", "assignments", ["anchor_id"])
    op.create_index("assignments_due", "assignments", ["due_at"], postgresql_where=sa.text("due_at IS NOT NULL"))


def _create_outcomes() -> None:
    op.create_table(
        "message_outcomes",
        sa.Column("message_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid),
        sa.Column("campaign_key", sa.Text, nullable=False),
        sa.Column("sent_at", INSTANT),
        sa.Column("opened_at", INSTANT),
        sa.Column("clicked_at", INSTANT),
        sa.Column("failed_at", INSTANT),
        sa.Column("failure_reason", sa.Text),
    )
    op.create_index("message_outcomes_campaign", "message_outcomes", ["campaign_key", "customer_id"])
    op.create_index("message_outcomes_anchor", "message_outcomes", ["anchor_id"])


def _create_coupons() -> None:
    op.create_table(
        "coupons",
        sa.Column("code", sa.Text, primary_key=True),
        sa.Column("message_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid, nullable=False),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("campaign_key", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("redeemed_at", INSTANT),
        sa.Column("redeemed_by", sa.Uuid),
        sa.CheckConstraint("status IN ('issued', 'redeemed')", name="coupons_status"),
        sa.UniqueConstraint("message_id", name="coupons_message"),
    )
    op.create_index("coupons_campaign", "coupons", ["campaign_key"])
    op.create_index("coupons_anchor", "coupons", ["anchor_id"])
    op.create_index("coupons_issued", "coupons", ["status"], postgresql_where=sa.text("status = 'issued'"))
