"""Sources, namespaces, the link graph, and what the resolver remembers of messages."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from servicekit.migrations import create_chassis

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_BLOCKED = [
    "[0-]*",
    "-1",
    "null",
    "nil",
    "none",
    "undefined",
    "unknown",
    "anonymous",
    "guest",
    "nan",
    "n/?a",
    "true",
    "false",
    r"\[object object\]",
]


def upgrade() -> None:
    """Create every table and the namespaces as shipped."""
    create_chassis(op)
    _create_configuration()
    _create_link_graph()
    _create_message_records()


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _id(name: str, *, primary_key: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid, primary_key=primary_key, nullable=False)


def _create_configuration() -> None:
    op.create_table(
        "sources",
        _text("source_id", primary_key=True),
        _text("name"),
        _text("department"),
        _text("brand"),
        _text("legal_entity"),
        sa.Column("purposes", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("key_hash", sa.Text, nullable=False, unique=True),
        sa.Column("version", sa.Integer, nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
    )
    namespaces = op.create_table(
        "namespaces",
        _text("name", primary_key=True),
        sa.Column("value_limit", sa.Integer, nullable=False),
        sa.Column("priority", sa.Integer, nullable=False),
        sa.Column("is_unique", sa.Boolean, nullable=False),
        sa.Column("blocked_values", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        _moment("updated_at", nullable=True),
    )
    shipped = {"user_id": (1, 1, True), "email": (5, 2, False), "phone": (5, 3, False), "anonymous_id": (5, 4, False)}
    op.bulk_insert(
        namespaces,
        [
            {
                "name": name,
                "value_limit": limit,
                "priority": priority,
                "is_unique": is_unique,
                "blocked_values": _BLOCKED,
                "version": 1,
                "updated_at": None,
            }
            for name, (limit, priority, is_unique) in shipped.items()
        ],
    )


def _create_link_graph() -> None:
    op.create_table("customers", _id("customer_id", primary_key=True), _moment("created_at"))
    op.create_table(
        "former_customers",
        _id("customer_id", primary_key=True),
        _id("current_customer_id"),
        _text("source_id"),
        _id("event_id"),
        _moment("merged_at"),
    )
    op.create_index("former_customers_current", "former_customers", ["current_customer_id"])
    op.create_table(
        "identifiers",
        _id("anchor_id", primary_key=True),
        _text("namespace"),
        _text("value"),
        _id("customer_id"),
        sa.Column("version", sa.BigInteger, nullable=False),
        _text("source_id"),
        _id("event_id"),
        _text("rule"),
        _moment("linked_at"),
        sa.UniqueConstraint("namespace", "value", name="identifiers_namespace_value"),
    )
    op.create_index("identifiers_customer", "identifiers", ["customer_id"])
    op.create_table(
        "links",
        _id("anchor_id", primary_key=True),
        _id("other_anchor_id", primary_key=True),
        _text("source_id"),
        _id("event_id"),
        _text("rule"),
        _moment("linked_at"),
    )
    op.create_index("links_other_anchor", "links", ["other_anchor_id"])
    op.create_table(
        "moves",
        _id("anchor_id", primary_key=True),
        sa.Column("version", sa.BigInteger, primary_key=True),
        _id("former_customer_id"),
        _id("customer_id"),
        _text("reason"),
        _text("source_id"),
        _id("event_id"),
        _moment("moved_at"),
    )


def _create_message_records() -> None:
    op.create_table(
        "message_ids",
        _id("event_id", primary_key=True),
        _id("request_id"),
        sa.Column("position", sa.SmallInteger, nullable=False),
        _id("anchor_id"),
        _id("customer_id"),
        _moment("received_at"),
    )
    op.create_index("message_ids_received_at", "message_ids", ["received_at"], postgresql_using="brin")
    op.create_table(
        "duplicates",
        _id("request_id", primary_key=True),
        sa.Column("position", sa.SmallInteger, primary_key=True),
        _moment("received_at"),
    )
    op.create_index("duplicates_received_at", "duplicates", ["received_at"], postgresql_using="brin")
    op.create_table(
        "rejections",
        _id("rejection_id", primary_key=True),
        _text("source_id"),
        _id("request_id"),
        sa.Column("position", sa.SmallInteger, nullable=False),
        _text("field"),
        _text("detail"),
        sa.Column("payload", sa.LargeBinary, nullable=False),
        _moment("received_at"),
    )
    op.create_index("rejections_received_at", "rejections", ["received_at", "rejection_id"])
    totals = op.create_table(
        "ingest_totals",
        sa.Column("singleton", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("accepted", sa.BigInteger, nullable=False),
        sa.Column("rejected", sa.BigInteger, nullable=False),
        sa.Column("duplicates", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(totals, [{"singleton": 1, "accepted": 0, "rejected": 0, "duplicates": 0}])


def downgrade() -> None:
    """Remove everything."""
    for table in (
        "ingest_totals", "rejections", "duplicates", "message_ids", "moves", "links", "identifiers", "former_customers",
        "customers", "namespaces", "sources", "idempotency_keys", "anchors", "dead_letters", "inbox", "outbox",
    ):  # fmt: skip
        op.drop_table(table)
