"""Sources are told to other services; those there are already are told by this version's worker."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column that the version before leaves alone."""
    op.add_column("sources", sa.Column("told_version", sa.Integer))


def downgrade() -> None:
    """Remove it."""
    op.drop_column("sources", "told_version")
