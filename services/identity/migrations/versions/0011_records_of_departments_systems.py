"""Imports bring events: typed, with ids of their own that are remembered, and told about once they are resolved."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_OF_IMPORTS = ("constants", "time_zone", "repeated", "sample")
_OF_BATCHES = ("event_ids", "request_ids", "request_sizes", "repeated")


def upgrade() -> None:
    """Add a table, and columns that the version before leaves alone."""
    op.create_table("record_ids", sa.Column("event_id", sa.Uuid, primary_key=True))
    op.add_column("message_ids", sa.Column("is_record", sa.Boolean, nullable=False, server_default="false"))
    op.add_column("imports", sa.Column("constants", postgresql.JSONB, nullable=False, server_default="{}"))
    op.add_column("imports", sa.Column("time_zone", sa.Text, nullable=False, server_default="Asia/Tokyo"))
    op.add_column("imports", sa.Column("repeated", sa.BigInteger))
    op.add_column("imports", sa.Column("sample", postgresql.JSONB, nullable=False, server_default="[]"))
    for name, kind in (("event_ids", sa.Uuid), ("request_ids", sa.Uuid), ("request_sizes", sa.Integer)):
        op.add_column("import_batches", sa.Column(name, postgresql.ARRAY(kind), nullable=False, server_default="{}"))
    op.add_column(
        "import_batches", sa.Column("repeated", postgresql.ARRAY(sa.BigInteger), nullable=False, server_default="{}")
    )


def downgrade() -> None:
    """Remove them."""
    for name in _OF_BATCHES:
        op.drop_column("import_batches", name)
    for name in _OF_IMPORTS:
        op.drop_column("imports", name)
    op.drop_column("message_ids", "is_record")
    op.drop_table("record_ids")
