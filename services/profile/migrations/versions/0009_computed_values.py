"""Computed traits, measured ranks, lifecycle, schedules, cut points, lifts of categories."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables, and what a rank is measured by."""
    _create_definitions()
    _measure_ranks()
    _create_lifecycle()
    _create_schedules()


def _create_definitions() -> None:
    op.create_table(
        "computed_traits",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("unit", sa.Text),
        sa.Column("value", JSONB, nullable=False),
        sa.Column("points", JSONB),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
    )
    op.create_table(
        "value_settings",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
    )


def _measure_ranks() -> None:
    op.add_column("rank_tables", sa.Column("measure", JSONB))
    op.add_column("ranks", sa.Column("threshold", sa.Numeric))
    op.alter_column("ranks", "condition", nullable=True)


def _create_lifecycle() -> None:
    op.create_table(
        "customer_lifecycle",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("rank_key", sa.Text),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("valid_until", MOMENT),
    )
    op.create_index(
        "customer_lifecycle_due",
        "customer_lifecycle",
        ["valid_until"],
        postgresql_where=sa.text("valid_until IS NOT NULL"),
    )
    op.create_index("customer_lifecycle_state", "customer_lifecycle", ["rank_key", "customer_id"])


def _create_schedules() -> None:
    op.create_table(
        "schedules",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("taken_at", MOMENT),
    )
    op.create_index("schedules_due", "schedules", ["next_at"])
    op.create_table(
        "cut_points",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("taken_at", MOMENT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("customers", sa.BigInteger, nullable=False),
        sa.Column("value", JSONB, nullable=False),
        sa.Column("at_least", JSONB, nullable=False),
        sa.Column("at_most", JSONB, nullable=False),
    )
    op.create_table(
        "category_lifts",
        sa.Column("from_category", sa.Text, primary_key=True),
        sa.Column("to_category", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("customers", sa.BigInteger, nullable=False),
        sa.Column("support", sa.Float, nullable=False),
        sa.Column("confidence", sa.Float, nullable=False),
        sa.Column("lift", sa.Float, nullable=False),
    )


def downgrade() -> None:
    """Remove them; a table of ranks with a measure cannot be said without it and goes."""
    for table in (
        "category_lifts",
        "cut_points",
        "schedules",
        "customer_lifecycle",
        "value_settings",
        "computed_traits",
    ):
        op.drop_table(table)
    op.execute("DELETE FROM backfills WHERE subject = 'lifecycle'")
    op.execute("DELETE FROM ranks WHERE condition IS NULL")
    op.alter_column("ranks", "condition", nullable=False)
    op.drop_column("ranks", "threshold")
    op.drop_column("rank_tables", "measure")
