"""For whom else a contact point was brought; the first stays with the contact point."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table that the version before leaves alone."""
    op.create_table(
        "contact_point_grants",
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
        sa.Column("legal_entity", sa.Text, primary_key=True),
        sa.Column("purposes", postgresql.ARRAY(sa.Text), primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("contact_point_grants_customer", "contact_point_grants", ["customer_id"])


def downgrade() -> None:
    """Remove it."""
    op.drop_table("contact_point_grants")
