"""A contact point says whose source brought it, and for what it may be used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that the version before leaves alone."""
    op.add_column("contact_points", sa.Column("legal_entity", sa.Text))
    op.add_column(
        "contact_points", sa.Column("purposes", postgresql.ARRAY(sa.Text), nullable=False, server_default="{}")
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_column("contact_points", "purposes")
    op.drop_column("contact_points", "legal_entity")
