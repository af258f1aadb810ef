"""Who may read what, and what was used."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """The policy's versions; what was given and read by day; who published a segment."""
    op.create_table(
        "policy_versions",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("document", JSONB, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
    )
    op.create_table(
        "given_days",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("source_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("department", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_index("given_days_name", "given_days", ["kind", "name"])
    op.create_table(
        "given_changes",
        sa.Column("change_id", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("department", sa.Text, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
    )
    op.create_table(
        "given_names",
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("source_id", sa.Text, primary_key=True),
    )
    _count_what_was_given()
    op.create_table(
        "used_days",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("reader", sa.Text, primary_key=True),
        sa.Column("giver", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "segment_publishers",
        sa.Column("segment_id", sa.Uuid, primary_key=True),
        sa.Column("department", sa.Text),
    )


def _count_what_was_given() -> None:
    """What is there already, by the day it happened; identifiers kept no source."""
    for kind, table, moment in (("event", "events", "occurred_at"), ("trait", "trait_observations", "observed_at")):
        op.execute(
            f"INSERT INTO given_names (kind, name, source_id) SELECT DISTINCT '{kind}', name, source_id FROM {table}"  # noqa: S608  # our own text
        )
        op.execute(
            "INSERT INTO given_days (day, source_id, kind, name, department, count) "  # noqa: S608  # our own text
            f"SELECT (f.{moment} AT TIME ZONE 'UTC')::date, f.source_id, '{kind}', f.name, COALESCE(s.department, ''), "
            f"count(*) FROM {table} f LEFT JOIN sources s ON s.source_id = f.source_id "
            f"AND s.valid_from <= f.{moment} AND f.{moment} < s.valid_until GROUP BY 1, 2, 4, 5"
        )


def downgrade() -> None:
    """Everybody reads all again; nothing is counted."""
    for table in ("segment_publishers", "used_days", "given_names", "given_changes", "given_days", "policy_versions"):
        op.drop_table(table)
