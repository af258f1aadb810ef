"""Entries that name a customer whose anchor is not there yet wait for it."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; the version before knows nothing of it."""
    op.create_table(
        "early_entries",
        sa.Column("journey_key", sa.Text, sa.ForeignKey("journeys.key"), primary_key=True),
        sa.Column("cause", sa.Text, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("named_customer_id", sa.Uuid, nullable=False),
        sa.Column("triggered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("held_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("early_entries_customer", "early_entries", ["customer_id"])
    op.create_index("early_entries_anchor", "early_entries", ["anchor_id"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("early_entries")
