"""Identifiers that there are already are told once more, by a worker: others hear of namespaces since not long ago."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table; nothing is to be told where there are no identifiers yet."""
    op.create_table(
        "retellings",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("after", sa.Uuid, nullable=False),
    )
    op.execute(
        "INSERT INTO retellings (name, after) "
        "SELECT 'identifiers', '00000000-0000-0000-0000-000000000000' WHERE EXISTS (SELECT FROM identifiers)"
    )


def downgrade() -> None:
    """Remove it."""
    op.drop_table("retellings")
