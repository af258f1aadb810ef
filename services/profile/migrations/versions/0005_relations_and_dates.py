"""Related persons' dates, for a purpose."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add what customers said, and what holds of it."""
    op.create_table(
        "relation_statements",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("relation_id", sa.Uuid, primary_key=True),
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("given_at", MOMENT, nullable=False),
        sa.Column("is_withdrawal", sa.Boolean, nullable=False),
        sa.Column("purpose", sa.Text),
        sa.Column("relation", sa.Text),
        sa.Column("occasion", sa.Text),
        sa.Column("month", sa.SmallInteger),
        sa.Column("day", sa.SmallInteger),
        sa.Column("year", sa.SmallInteger),
        sa.Column("ends_at", MOMENT),
    )
    op.create_index("relation_statements_anchor", "relation_statements", ["anchor_id"])
    op.create_table(
        "relations",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("relation_id", sa.Uuid, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("event_id", sa.Uuid, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("given_at", MOMENT, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("relation", sa.Text, nullable=False),
        sa.Column("occasion", sa.Text, nullable=False),
        sa.Column("month", sa.SmallInteger, nullable=False),
        sa.Column("day", sa.SmallInteger, nullable=False),
        sa.Column("year", sa.SmallInteger),
        sa.Column("ends_at", MOMENT),
    )
    op.create_index(
        "relations_purpose",
        "relations",
        ["purpose", "occasion", "month", "day"],
        postgresql_include=["customer_id"],
    )
    op.create_index("relations_anchor", "relations", ["anchor_id"])
    op.create_index("relations_ending", "relations", ["ends_at"], postgresql_where=sa.text("ends_at IS NOT NULL"))


def downgrade() -> None:
    """Remove both."""
    op.drop_table("relations")
    op.drop_table("relation_statements")
