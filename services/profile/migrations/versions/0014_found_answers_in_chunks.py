"""What a backfill found lies in chunks, each a row: written, kept and forgotten at once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """A backfill under way finds nothing, and looks again."""
    op.drop_table("backfill_answers")
    op.create_table(
        "backfill_answers",
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("seen_before", sa.BigInteger, nullable=False),
        sa.Column("customer_ids", ARRAY(sa.Uuid), nullable=False),
        sa.Column("are_members", ARRAY(sa.Boolean), nullable=False),
        sa.Column("valid_until", ARRAY(MOMENT), nullable=False),
        prefixes=["UNLOGGED"],
    )
    # ids are random: trying to compress them is in vain
    op.execute("ALTER TABLE backfill_answers ALTER customer_ids SET STORAGE EXTERNAL")
    # a message lives for a moment: compressing it (pglz) takes longer than writing it
    op.execute("ALTER TABLE outbox ALTER payload SET STORAGE EXTERNAL")


def downgrade() -> None:
    """A row per answer; a backfill under way looks again."""
    op.execute("ALTER TABLE outbox ALTER payload SET STORAGE EXTENDED")
    op.drop_table("backfill_answers")
    op.create_table(
        "backfill_answers",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("is_member", sa.Boolean, nullable=False),
        sa.Column("valid_until", MOMENT),
        sa.Column("row_version", sa.BigInteger, nullable=False),
        prefixes=["UNLOGGED"],
    )
