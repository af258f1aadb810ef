"""Notes about customers."""

import sqlalchemy as sa
from alembic import op

from servicekit.migrations import create_chassis, create_erased_customers, create_moving_customers

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_chassis(op)
    create_moving_customers(op)
    create_erased_customers(op)
    op.create_table(
        "notes",
        sa.Column("event_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "moods",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("mood", sa.String, nullable=False),
    )
    op.create_index("ix_notes_customer_id", "notes", ["customer_id"])
    op.create_index("ix_notes_anchor_id", "notes", ["anchor_id"])


def downgrade() -> None:
    raise NotImplementedError("the first version has nothing before it")
