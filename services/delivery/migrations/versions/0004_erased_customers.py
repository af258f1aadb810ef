"""Erased customers and addresses are remembered, so that nothing late brings them back."""

import sqlalchemy as sa
from alembic import op

from servicekit.migrations import create_erased_customers, drop_erased_customers

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the chassis' tables, and the keyed hashes of erased addresses."""
    create_erased_customers(op)
    op.create_table(
        "erased_addresses",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("suppression", sa.Text),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("erased_addresses")
    drop_erased_customers(op)
