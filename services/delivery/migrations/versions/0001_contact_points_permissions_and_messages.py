"""Contact points, permissions, templates and messages."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from servicekit.migrations import create_chassis

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATES = "('requested', 'reserved', 'sending', 'sent', 'bounced', 'failed', 'unknown')"


def _moment(name: str, *, nullable: bool = False) -> sa.Column[Any]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _words(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def upgrade() -> None:
    create_chassis(op)
    _create_permissions()
    _create_configuration()
    _create_messages()


def _create_permissions() -> None:
    op.create_table(
        "contact_points",
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        *_words("channel", "address", "source_id"),
        _moment("linked_at"),
    )
    op.create_index("contact_points_customer", "contact_points", ["customer_id", "channel"])
    op.create_index("contact_points_address", "contact_points", ["channel", "address"])
    op.create_table(
        "permission_records",
        sa.Column("record_id", sa.Uuid, primary_key=True),
        *_words("channel", "address", "topic", "status", "basis", "legal_entity"),
        _moment("recorded_at"),
        _moment("received_at"),
        sa.UniqueConstraint(
            "channel",
            "address",
            "topic",
            "recorded_at",
            "status",
            "basis",
            "legal_entity",
            name="permission_records_statement",
        ),
    )
    op.create_table(
        "permissions",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        sa.Column("topic", sa.Text, primary_key=True),
        *_words("status", "basis", "legal_entity"),
        _moment("recorded_at"),
        sa.Column("record_id", sa.Uuid, nullable=False),
        sa.CheckConstraint("status IN ('granted', 'withdrawn')", name="permissions_status"),
    )
    op.create_table(
        "suppressions",
        sa.Column("channel", sa.Text, primary_key=True),
        sa.Column("address", sa.Text, primary_key=True),
        *_words("reason"),
        sa.Column("message_id", sa.Uuid),
        _moment("created_at"),
        sa.CheckConstraint("reason IN ('hard_bounce', 'complaint', 'manual')", name="suppressions_reason"),
    )


def _create_configuration() -> None:
    op.create_table(
        "topics",
        sa.Column("key", sa.Text, primary_key=True),
        *_words("name"),
        sa.Column("cap_messages", sa.Integer),
        sa.Column("cap_days", sa.Integer),
        sa.Column("version", sa.Integer, nullable=False),
        _moment("updated_at"),
    )
    op.create_table(
        "templates",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        *_words("category"),
        _moment("updated_at"),
        sa.CheckConstraint("category IN ('advertising', 'transactional')", name="templates_category"),
    )
    op.create_table(
        "template_versions",
        sa.Column("template_key", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("definition", JSONB, nullable=False),
        sa.Column("links", JSONB, nullable=False),
        sa.Column("utm", sa.Boolean, nullable=False),
        _moment("created_at"),
    )


def _create_messages() -> None:
    op.create_table(
        "messages",
        sa.Column("message_id", sa.Uuid, primary_key=True),
        sa.Column("sequence", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("run_id", sa.Uuid),
        sa.Column("campaign_key", sa.Text),
        *_words("channel", "template_key"),
        sa.Column("template_version", sa.Integer),
        *_words("topic"),
        sa.Column("variables", JSONB, nullable=False),
        *_words("state"),
        _moment("requested_at"),
        _moment("due_at"),
        sa.Column("attempts", sa.SmallInteger, nullable=False, server_default="0"),
        sa.Column("lease_id", sa.Uuid),
        _moment("lease_until", nullable=True),
        _moment("counted_at", nullable=True),
        sa.Column("contact_anchor_id", sa.Uuid),
        _moment("sent_at", nullable=True),
        _moment("opened_at", nullable=True),
        _moment("clicked_at", nullable=True),
        _moment("ended_at", nullable=True),
        sa.Column("failure_reason", sa.Text),
        sa.CheckConstraint(f"state IN {STATES}", name="messages_state"),
    )
    op.create_index("messages_due", "messages", ["due_at", "sequence"], postgresql_where=sa.text("state = 'requested'"))
    op.create_index(
        "messages_leased", "messages", ["lease_until"], postgresql_where=sa.text("state IN ('reserved', 'sending')")
    )
    op.create_index("messages_customer", "messages", ["customer_id", "requested_at"])
    op.create_index("messages_anchor", "messages", ["anchor_id"])
    op.create_index(
        "messages_counted",
        "messages",
        ["customer_id", "topic", "counted_at"],
        postgresql_where=sa.text("counted_at IS NOT NULL"),
    )
    # rows change state several times soon after they are written: room on the page keeps those changes cheap
    op.execute("ALTER TABLE messages SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05)")
    op.create_table(
        "message_clicks",
        sa.Column("message_id", sa.Uuid, primary_key=True),
        sa.Column("link_index", sa.SmallInteger, primary_key=True, autoincrement=False),
        _moment("clicked_at"),
    )


def downgrade() -> None:
    for table in (
        "message_clicks", "messages", "template_versions", "templates", "topics", "suppressions", "permissions",
        "permission_records", "contact_points", "idempotency_keys", "anchors", "dead_letters", "inbox", "outbox",
    ):  # fmt: skip
        op.drop_table(table)
