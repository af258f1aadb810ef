"""Customers in motion are noted until they are concluded about anew; runs remember for which other run they ended."""

import sqlalchemy as sa
from alembic import op

from servicekit.migrations import create_moving_customers

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the chassis' table and what it takes to part runs again."""
    create_moving_customers(op)
    op.add_column("runs", sa.Column("yields_to", sa.Uuid))


def downgrade() -> None:
    """Remove both."""
    op.drop_column("runs", "yields_to")
    op.drop_table("moving_customers")
