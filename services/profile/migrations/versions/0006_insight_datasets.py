"""Data at the level of segments only, and anonymised exports."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add bought datasets, our own exports, and who read either. None of them names a customer."""
    _create_insights()
    _create_exports()
    op.create_table(
        "audited_reads",
        sa.Column("read_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("read_by", sa.Text, nullable=False),
        sa.Column("department", sa.Text),
        sa.Column("read_at", MOMENT, nullable=False),
    )
    op.create_index("audited_reads_subject", "audited_reads", ["subject", "read_id"])


def _create_insights() -> None:
    op.create_table(
        "insight_datasets",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("supplier", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("hypothesis", sa.Text, nullable=False),
        sa.Column("licence", sa.Text, nullable=False),
        sa.Column("segment_keys", ARRAY(sa.Text), nullable=False),
        sa.Column("dimensions", ARRAY(sa.Text), nullable=False),
        sa.Column("measures", JSONB, nullable=False),
        sa.Column("minimum_cell_size", sa.Integer, nullable=False),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("imported_by", sa.Text),
        sa.Column("imported_at", MOMENT),
    )
    op.create_table(
        "insight_cells",
        sa.Column("dataset_key", sa.Text, sa.ForeignKey("insight_datasets.key", ondelete="CASCADE"), primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("segment_key", sa.Text, nullable=False),
        sa.Column("dimensions", JSONB, nullable=False),
        sa.Column("cell_size", sa.BigInteger, nullable=False),
        sa.Column("measures", JSONB, nullable=False),
    )
    op.create_index("insight_cells_segment", "insight_cells", ["segment_key", "dataset_key", "line"])


def _create_exports() -> None:
    op.create_table(
        "anonymised_exports",
        sa.Column("export_id", sa.Uuid, primary_key=True),
        sa.Column("definition", JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("department", sa.Text),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
        sa.Column("expires_at", MOMENT, nullable=False),
        sa.Column("customers", sa.BigInteger),
        sa.Column("published", sa.BigInteger),
        sa.Column("cells", sa.BigInteger),
        sa.Column("smallest", sa.BigInteger),
        sa.Column("problem", sa.Text),
    )
    op.create_index("anonymised_exports_newest", "anonymised_exports", ["created_at", "export_id"])
    op.create_table(
        "anonymised_cells",
        sa.Column(
            "export_id", sa.Uuid, sa.ForeignKey("anonymised_exports.export_id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("labels", ARRAY(sa.Text), nullable=False),
        sa.Column("count", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """Remove them all."""
    for table in ("audited_reads", "anonymised_cells", "anonymised_exports", "insight_cells", "insight_datasets"):
        op.drop_table(table)
