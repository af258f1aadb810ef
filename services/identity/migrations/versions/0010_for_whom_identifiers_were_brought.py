"""An identifier says for whom it was brought, and for whom else; what is there already is found out by a worker."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table, and columns that the version before leaves alone."""
    op.add_column("identifiers", sa.Column("legal_entity", sa.Text))
    op.add_column("identifiers", sa.Column("purposes", postgresql.ARRAY(sa.Text), nullable=False, server_default="{}"))
    op.create_table(
        "identifier_grants",
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
        sa.Column("legal_entity", sa.Text, primary_key=True),
        sa.Column("purposes", postgresql.ARRAY(sa.Text), primary_key=True),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("event_id", sa.Uuid),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    """Remove them."""
    op.drop_table("identifier_grants")
    op.drop_column("identifiers", "purposes")
    op.drop_column("identifiers", "legal_entity")
