"""A topic says which legal entity sends and for what; agreements between legal entities, as identity tells them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table, and columns that the version before leaves alone."""
    op.add_column("topics", sa.Column("legal_entity", sa.Text))
    op.add_column("topics", sa.Column("purpose", sa.Text))
    op.create_table(
        "agreements",
        sa.Column("agreement_id", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("from_entity", sa.Text, nullable=False),
        sa.Column("to_entity", sa.Text, nullable=False),
        sa.Column("purposes", postgresql.ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until", sa.DateTime(timezone=True)),
        sa.Column("removed", sa.Boolean, nullable=False),
    )
    op.create_index("agreements_entities", "agreements", ["to_entity", "from_entity"])


def downgrade() -> None:
    """Remove them."""
    op.drop_table("agreements")
    op.drop_column("topics", "purpose")
    op.drop_column("topics", "legal_entity")
