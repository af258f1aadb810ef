"""Agreements are told to other services; one that is removed leaves its version, so that nothing older comes after."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns that the version before leaves alone; what it made is told by this version's worker."""
    op.add_column("agreements", sa.Column("removed_at", sa.DateTime(timezone=True)))
    op.add_column("agreements", sa.Column("told_version", sa.Integer))


def downgrade() -> None:
    """Remove them, and with them the agreements that were removed."""
    op.execute("DELETE FROM agreements WHERE removed_at IS NOT NULL")
    op.drop_column("agreements", "told_version")
    op.drop_column("agreements", "removed_at")
