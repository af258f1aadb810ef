"""Messages remember the trace of their request."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("messages", sa.Column("traceparent", sa.Text))


def downgrade() -> None:
    op.drop_column("messages", "traceparent")
