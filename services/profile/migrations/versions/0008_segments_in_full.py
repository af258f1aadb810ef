"""Segments in full: versions, archive, static lists, sizes by day, backfills that look at everybody at once."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Widen segments and backfills, add the new tables, count members once."""
    op.add_column("segments", sa.Column("kind", sa.Text, nullable=False, server_default="dynamic"))
    op.add_column("segments", sa.Column("archived_at", MOMENT))
    _replace_members_index(include=["since"])
    op.create_index(
        "segment_memberships_others",
        "segment_memberships",
        ["segment_id", "customer_id"],
        postgresql_where=sa.text("NOT is_member"),
    )
    _create_versions()
    _create_static_lists()
    _create_sizes()
    op.add_column("backfills", sa.Column("generation", sa.Integer, nullable=False, server_default="1"))
    op.add_column("backfills", sa.Column("reason", sa.Text, nullable=False, server_default="backfill"))
    op.add_column("backfills", sa.Column("remaining", sa.BigInteger))
    op.create_table(
        "backfill_answers",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("is_member", sa.Boolean, nullable=False),
        sa.Column("valid_until", MOMENT),
        sa.Column("row_version", sa.BigInteger, nullable=False),
        prefixes=["UNLOGGED"],
    )
    # customers in an order that has nothing to do with them: its first thousands are a fair sample, always the same
    op.execute(
        "CREATE INDEX customers_at_random ON customers (uuid_hash_extended(customer_id, 0)) INCLUDE (customer_id)"
    )


def _create_versions() -> None:
    op.create_table(
        "segment_versions",
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("condition", JSONB, nullable=False),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.Column("published_by", sa.Text),
        sa.Column("why", sa.Text),
    )
    op.execute(
        "INSERT INTO segment_versions (segment_id, version, condition, published_at) "
        "SELECT segment_id, version, published_condition, published_at FROM segments WHERE version > 0"
    )


def _create_static_lists() -> None:
    op.create_table(
        "static_list_members",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
        sa.Column("added_at", MOMENT, nullable=False),
        sa.Column("added_by", sa.Text, nullable=False),
    )
    op.create_index("static_list_members_segment", "static_list_members", ["segment_id", "customer_id"])
    op.create_index("static_list_members_anchor", "static_list_members", ["anchor_id"])


def _create_sizes() -> None:
    op.create_table(
        "segment_sizes",
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("size", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "segment_days",
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("reason", sa.Text, primary_key=True),
        sa.Column("entered", sa.BigInteger, nullable=False),
        sa.Column("exited", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "segment_size_changes",
        sa.Column("change_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("segment_id", sa.Uuid, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("entered", sa.Integer, nullable=False),
        sa.Column("exited", sa.Integer, nullable=False),
    )
    op.create_index("segment_size_changes_segment", "segment_size_changes", ["segment_id"])
    op.execute(
        "INSERT INTO segment_sizes (segment_id, size) "
        "SELECT segment_id, count(*) FROM segment_memberships WHERE is_member GROUP BY segment_id"
    )


def _replace_members_index(*, include: list[str]) -> None:
    op.drop_index("segment_memberships_members", "segment_memberships")
    op.create_index(
        "segment_memberships_members",
        "segment_memberships",
        ["segment_id", "customer_id"],
        postgresql_where=sa.text("is_member"),
        postgresql_include=include,
    )


def downgrade() -> None:
    """Back to segments without versions; static lists and what was archived go."""
    op.execute("DROP INDEX customers_at_random")
    gone = "(SELECT segment_id FROM segments WHERE kind = 'static' OR archived_at IS NOT NULL)"
    op.execute(f"DELETE FROM backfills WHERE subject IN (SELECT segment_id::text FROM {gone} AS gone)")  # noqa: S608  # our own text
    op.execute(f"DELETE FROM segment_memberships WHERE segment_id IN {gone}")  # noqa: S608  # our own text
    op.execute("DELETE FROM segments WHERE kind = 'static' OR archived_at IS NOT NULL")
    for table in (
        "backfill_answers",
        "segment_size_changes",
        "segment_days",
        "segment_sizes",
        "static_list_members",
        "segment_versions",
    ):
        op.drop_table(table)
    for column in ("remaining", "reason", "generation"):
        op.drop_column("backfills", column)
    op.drop_index("segment_memberships_others", "segment_memberships")
    _replace_members_index(include=[])
    op.drop_column("segments", "archived_at")
    op.drop_column("segments", "kind")
