"""What the complete condition language asks for: which kinds of identifiers a customer has."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table; identifiers linked before are not known."""
    op.create_table(
        "customer_identifiers",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("namespace", sa.Text, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
    )
    op.create_index("customer_identifiers_anchor", "customer_identifiers", ["anchor_id"])
    op.create_index("customer_identifiers_namespace", "customer_identifiers", ["namespace", "customer_id"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("customer_identifiers")
