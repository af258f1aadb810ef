"""Signs, what was detected when, and what remarks are about."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Add the tables."""
    _create_signs()
    _create_answers()
    _create_remarks()


def _create_signs() -> None:
    op.create_table(
        "signs",
        sa.Column("sign_id", sa.Uuid, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("meaning", sa.Text, nullable=False),
        sa.Column("edited", JSONB, nullable=False),
        sa.Column("published", JSONB),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("published_at", MOMENT),
        sa.Column("archived_at", MOMENT),
    )
    op.create_index("signs_key", "signs", ["key"], unique=True)
    op.create_table(
        "sign_versions",
        sa.Column("sign_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("definition", JSONB, nullable=False),
        sa.Column("published_at", MOMENT, nullable=False),
        sa.Column("published_by", sa.Text),
        sa.Column("why", sa.Text),
    )


def _create_answers() -> None:
    op.create_table(
        "customer_signs",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("sign_id", sa.Uuid, primary_key=True),
        sa.Column("holds", sa.Boolean, nullable=False),
        sa.Column("is_active", sa.Boolean, nullable=False),
        sa.Column("detected_at", MOMENT),
        sa.Column("renewed_at", MOMENT),
        sa.Column("valid_until", MOMENT),
    )
    op.create_index(
        "customer_signs_active", "customer_signs", ["sign_id", "customer_id"], postgresql_where=sa.text("is_active")
    )
    op.create_index(
        "customer_signs_due", "customer_signs", ["valid_until"], postgresql_where=sa.text("valid_until IS NOT NULL")
    )
    op.create_table(
        "sign_detections",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("sign_id", sa.Uuid, primary_key=True),
        sa.Column("detected_at", MOMENT, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("is_renewal", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("sign_detections_anchor", "sign_detections", ["anchor_id"])
    op.create_index("sign_detections_sign", "sign_detections", ["sign_id", "detected_at", "customer_id"])


def _create_remarks() -> None:
    op.create_table(
        "remark_topics",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("keywords", JSONB, nullable=False),
        sa.Column("exclude", JSONB, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "remark_opinions",
        sa.Column("opinion", sa.Text, primary_key=True),
        sa.Column("words", JSONB, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
    )
    op.create_table(
        "remark_readings",
        sa.Column("subject", sa.Text, primary_key=True),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("until_occurred_at", MOMENT),
        sa.Column("until_event_id", sa.Uuid),
        sa.Column("read", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT),
    )


def downgrade() -> None:
    """Remove them."""
    op.execute("DELETE FROM backfills WHERE subject LIKE 'sign:%'")
    for table in (
        "remark_readings",
        "remark_opinions",
        "remark_topics",
        "sign_detections",
        "customer_signs",
        "sign_versions",
        "signs",
    ):
        op.drop_table(table)
