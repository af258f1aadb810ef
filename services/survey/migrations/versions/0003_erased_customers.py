"""Erased customers are remembered, so that nothing late brings them back."""

from alembic import op

from servicekit.migrations import create_erased_customers, drop_erased_customers

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the chassis' tables."""
    create_erased_customers(op)


def downgrade() -> None:
    """Remove them."""
    drop_erased_customers(op)
