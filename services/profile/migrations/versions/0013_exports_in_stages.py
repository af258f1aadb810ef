"""Exports are made in stages that survive a kill: what was read of customers is kept until it is published."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """How far each export is; what is made already is over."""
    op.add_column("anonymised_exports", sa.Column("stage", sa.Text, nullable=False, server_default="reading"))
    op.add_column("anonymised_exports", sa.Column("cursor", sa.Uuid))
    op.add_column("anonymised_exports", sa.Column("customers_read", sa.BigInteger, nullable=False, server_default="0"))
    op.execute("UPDATE anonymised_exports SET stage = 'over' WHERE state <> 'queued'")
    op.create_table(
        "export_readings",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("export_id", sa.Uuid, primary_key=True),
        sa.Column("labels", ARRAY(sa.Text), nullable=False),
        prefixes=["UNLOGGED"],
    )


def downgrade() -> None:
    """Whatever is queued is made from its beginning."""
    op.drop_table("export_readings")
    for column in ("stage", "cursor", "customers_read"):
        op.drop_column("anonymised_exports", column)
