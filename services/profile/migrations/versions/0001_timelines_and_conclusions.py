"""Timelines, traits, customers, segments and ranks: the first working schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from servicekit.migrations import create_chassis

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)

# Index-only scans read the visibility map, which only vacuum writes: insert-only tables must be vacuumed as they grow,
# and not only after a fifth more rows.
VACUUM_AFTER_INSERTS = "autovacuum_vacuum_insert_scale_factor = 0.02, autovacuum_vacuum_insert_threshold = 5000"


def upgrade() -> None:
    """Create the chassis, then what profile owns."""
    create_chassis(op)
    _create_facts()
    _create_customers()
    _create_segments()
    _create_ranks()
    op.create_table(
        "backfills",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("cursor", sa.Uuid),
        sa.Column("evaluated", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
    )


def _create_facts() -> None:
    op.create_table(
        "events",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("occurred_at", MOMENT, primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("revenue", sa.Numeric),
        sa.Column("properties", JSONB, nullable=False),
    )
    op.create_index(
        "events_customer_name", "events", ["customer_id", "name", "occurred_at"], postgresql_include=["revenue"]
    )
    op.create_index("events_name", "events", ["name", "occurred_at"], postgresql_include=["customer_id", "revenue"])
    op.create_index("events_anchor", "events", ["anchor_id"])
    op.execute(f"ALTER TABLE events SET ({VACUUM_AFTER_INSERTS})")
    op.create_table(
        "trait_observations",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("observed_at", MOMENT, primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("value", JSONB, nullable=False),
    )
    op.create_index("trait_observations_anchor", "trait_observations", ["anchor_id"])
    op.create_table(
        "traits",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", JSONB, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("observed_at", MOMENT, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
    )
    op.create_index("traits_name", "traits", ["name", "customer_id"])


def _create_customers() -> None:
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("first_event_at", MOMENT, nullable=False),
        sa.Column("latest_event_at", MOMENT, nullable=False),
        sa.Column("latest_event_id", sa.Uuid, nullable=False),
        sa.Column("latest_anchor_id", sa.Uuid, nullable=False),
        sa.Column("event_count", sa.BigInteger, nullable=False),
        sa.Column("purchase_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("purchase_total", sa.Numeric, nullable=False, server_default="0"),
        sa.Column("simulated_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("simulated_total", sa.Numeric, nullable=False, server_default="0"),
        sa.Column("last_purchase_at", MOMENT),
        postgresql_with={"fillfactor": 70},
    )


def _create_segments() -> None:
    op.create_table(
        "segments",
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("condition", JSONB, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("published_condition", JSONB),
        sa.Column("published_at", MOMENT),
    )
    op.create_index("segments_key", "segments", ["key"], unique=True)
    op.create_table(
        "segment_memberships",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("is_member", sa.Boolean, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("valid_until", MOMENT),
    )
    op.create_index(
        "segment_memberships_members",
        "segment_memberships",
        ["segment_id", "customer_id"],
        postgresql_where=sa.text("is_member"),
    )
    op.create_index(
        "segment_memberships_due",
        "segment_memberships",
        ["valid_until"],
        postgresql_where=sa.text("valid_until IS NOT NULL"),
    )


def _create_ranks() -> None:
    op.create_table(
        "ranks",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("condition", JSONB, nullable=False),
    )
    op.create_table(
        "rank_tables",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
    )
    op.create_table(
        "customer_ranks",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("rank_key", sa.Text),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("valid_until", MOMENT),
    )
    op.create_index(
        "customer_ranks_due", "customer_ranks", ["valid_until"], postgresql_where=sa.text("valid_until IS NOT NULL")
    )
    op.create_index("customer_ranks_rank", "customer_ranks", ["rank_key", "customer_id"])


def downgrade() -> None:
    """There is no way back to nothing."""
    raise NotImplementedError("the first migration is not undone: drop the database instead")
