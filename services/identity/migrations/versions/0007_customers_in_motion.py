"""Customers in motion are noted until they are concluded about anew."""

from alembic import op

from servicekit.migrations import create_moving_customers

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the chassis' table."""
    create_moving_customers(op)


def downgrade() -> None:
    """Remove it."""
    op.drop_table("moving_customers")
