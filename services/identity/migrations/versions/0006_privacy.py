"""Erasures with receipts, tombstones, disclosures."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from servicekit.migrations import create_erased_customers, drop_erased_customers

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the tables; find what hangs on an erased customer by index."""
    create_erased_customers(op)
    _create_erasures()
    op.create_table(
        "disclosures",
        sa.Column("disclosure_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("services", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("missing", sa.ARRAY(sa.Text), nullable=False, server_default="{}"),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
    )
    op.create_index("disclosures_requested_at", "disclosures", ["requested_at", "disclosure_id"])
    op.create_index("disclosures_customer", "disclosures", ["customer_id"])
    op.create_index("held_apart_value", "held_apart", ["namespace", "value"])


def _create_erasures() -> None:
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("former_customer_ids", sa.ARRAY(sa.Uuid), nullable=False),
        sa.Column("requested_by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        sa.Column("streams_expire_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("erasures_requested_at", "erasures", ["requested_at", "erasure_id"])
    op.create_table(
        "erasure_receipts",
        sa.Column("erasure_id", sa.Uuid, primary_key=True),
        sa.Column("service", sa.Text, primary_key=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", JSONB, nullable=False),
    )
    op.create_table(
        "tombstones",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        sa.Column("erased_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("erasure_id", sa.Uuid, nullable=False),
    )


def downgrade() -> None:
    """Remove the tables: who was erased is forgotten, and may come back with late events."""
    op.drop_index("held_apart_value", "held_apart")
    for table in ("disclosures", "tombstones", "erasure_receipts", "erasures"):
        op.drop_table(table)
    drop_erased_customers(op)
