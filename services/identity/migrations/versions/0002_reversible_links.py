"""Decisions that can be undone, evidence per source, shared devices, versions of rules, records of persons, jobs."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add columns and tables; the version before goes on working beside them."""
    _extend_configuration()
    _extend_link_graph()
    _create_decisions()
    _create_persons_and_groups()
    _create_jobs()
    op.add_column("ingest_totals", sa.Column("erased", sa.BigInteger, nullable=False, server_default="0"))


def _flag(name: str, default: str = "false") -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False, server_default=default)


def _texts(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.ARRAY(sa.Text), nullable=False, server_default="{}")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _text(name: str, *, primary_key: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=False)


def _id(name: str, *, primary_key: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid, primary_key=primary_key, nullable=False)


def _extend_configuration() -> None:
    op.add_column("sources", _texts("trusted_namespaces"))
    op.add_column("sources", sa.Column("signing_secret", sa.LargeBinary))
    op.add_column("namespaces", sa.Column("limit_window", sa.Text, nullable=False, server_default="ever"))
    op.add_column("namespaces", sa.Column("normaliser", sa.Text, nullable=False, server_default="plain"))
    for name in ("verified_only", "is_shared", "is_outside", "is_restricted"):
        op.add_column("namespaces", _flag(name))
    op.execute("UPDATE namespaces SET normaliser = name WHERE name IN ('email', 'phone')")
    op.execute("UPDATE namespaces SET is_shared = true WHERE name = 'anonymous_id'")
    op.create_table(
        "rules_versions",
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("namespaces", postgresql.JSONB, nullable=False),
        _text("changed_by"),
        _text("why"),
        _moment("changed_at"),
    )


def _extend_link_graph() -> None:
    op.add_column("customers", sa.Column("version", sa.BigInteger, nullable=False, server_default="1"))
    op.add_column("former_customers", sa.Column("anchor_id", sa.Uuid))
    op.alter_column("former_customers", "source_id", nullable=True)
    op.alter_column("former_customers", "event_id", nullable=True)
    op.execute(
        "UPDATE former_customers AS former SET anchor_id = (SELECT anchor_id FROM moves "
        "WHERE moves.former_customer_id = former.customer_id ORDER BY anchor_id LIMIT 1)"
    )
    op.create_index("former_customers_anchor", "former_customers", ["anchor_id"])
    op.add_column("identifiers", _flag("is_current", "true"))
    op.add_column("identifiers", _texts("sources"))
    op.add_column("identifiers", sa.Column("digest", sa.LargeBinary))
    op.add_column("identifiers", _moment("not_before", nullable=True))
    op.create_index(
        "identifiers_current",
        "identifiers",
        ["namespace", "value"],
        unique=True,
        postgresql_where=sa.text("is_current"),
    )
    op.drop_constraint("identifiers_namespace_value", "identifiers")
    op.create_index(
        "identifiers_former",
        "identifiers",
        ["customer_id", "namespace", "value"],
        postgresql_where=sa.text("NOT is_current"),
    )
    op.create_index("identifiers_digest", "identifiers", ["digest"], postgresql_where=sa.text("digest IS NOT NULL"))
    op.add_column("links", sa.Column("score", sa.Float))
    op.add_column("links", sa.Column("legal_entity", sa.Text))
    op.add_column("links", _texts("purposes"))
    op.drop_constraint("links_pkey", "links")
    op.create_primary_key("links_pkey", "links", ["anchor_id", "other_anchor_id", "source_id"])
    op.create_table(
        "held_apart",
        _id("anchor_id", primary_key=True),
        _text("namespace", primary_key=True),
        _text("value", primary_key=True),
        _text("reason"),
        _text("source_id"),
        _id("event_id"),
        _moment("held_at"),
    )


def _create_decisions() -> None:
    op.create_table(
        "decisions",
        _id("decision_id", primary_key=True),
        _text("kind"),
        _id("customer_id"),
        _text("rule"),
        _text("decided_by"),
        _text("why"),
        sa.Column("score", sa.Float),
        sa.Column("source_id", sa.Text),
        sa.Column("event_id", sa.Uuid),
        sa.Column("rules_version", sa.Integer, nullable=False),
        sa.Column("undoes", sa.Uuid),
        sa.Column("undone_by", sa.Uuid),
        _moment("decided_at"),
    )
    op.create_index("decisions_customer", "decisions", ["customer_id"])
    op.add_column("moves", sa.Column("decision_id", sa.Uuid))
    op.alter_column("moves", "source_id", nullable=True)
    op.alter_column("moves", "event_id", nullable=True)
    op.create_index("moves_decision", "moves", ["decision_id"])
    op.create_table(
        "separations",
        _id("decision_id", primary_key=True),
        _id("anchor_id", primary_key=True),
        sa.Column("side", sa.SmallInteger, nullable=False),
        _flag("is_active", "true"),
    )
    op.create_index("separations_anchor", "separations", ["anchor_id"], postgresql_where=sa.text("is_active"))


def _create_persons_and_groups() -> None:
    op.create_table(
        "person_records",
        _id("anchor_id", primary_key=True),
        _text("source_id", primary_key=True),
        sa.Column("written", postgresql.JSONB, nullable=False),
        sa.Column("normal", postgresql.JSONB, nullable=False),
        sa.Column("stated_at", postgresql.JSONB, nullable=False, server_default="{}"),
        _moment("occurred_at"),
        _moment("changed_at"),
    )
    op.create_index("person_records_changed_at", "person_records", ["changed_at"])
    op.create_table(
        "groups",
        _text("group_id", primary_key=True),
        sa.Column("traits", postgresql.JSONB, nullable=False),
        sa.Column("stated_at", postgresql.JSONB, nullable=False, server_default="{}"),
        _text("source_id"),
        _moment("occurred_at"),
    )
    op.create_table(
        "group_members",
        _text("group_id", primary_key=True),
        _id("anchor_id", primary_key=True),
        _text("source_id"),
        _id("event_id"),
        _moment("joined_at"),
    )
    op.create_index("group_members_anchor", "group_members", ["anchor_id"])


def _create_jobs() -> None:
    op.create_table(
        "jobs",
        _id("job_id", primary_key=True),
        _text("kind"),
        _text("state"),
        sa.Column("parameters", postgresql.JSONB, nullable=False),
        sa.Column("cursor", postgresql.JSONB, nullable=False, server_default="{}"),
        sa.Column("done", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("total", sa.BigInteger),
        sa.Column("result", postgresql.JSONB),
        sa.Column("problem", sa.Text),
        _text("created_by"),
        _moment("created_at"),
        _moment("started_at", nullable=True),
        _moment("finished_at", nullable=True),
    )
    op.create_index("jobs_open", "jobs", ["created_at"], postgresql_where=sa.text("state IN ('queued', 'running')"))


def downgrade() -> None:
    """Back to one anchor per identifier; what only this version knows is lost."""
    for table in (
        "jobs", "group_members", "groups", "person_records", "separations", "decisions", "held_apart", "rules_versions",
    ):  # fmt: skip
        op.drop_table(table)
    op.drop_column("ingest_totals", "erased")
    op.drop_column("moves", "decision_id")
    op.execute("DELETE FROM moves WHERE source_id IS NULL OR event_id IS NULL")
    op.execute("DELETE FROM former_customers WHERE source_id IS NULL OR event_id IS NULL")
    for table in ("moves", "former_customers"):
        op.alter_column(table, "source_id", nullable=False)
        op.alter_column(table, "event_id", nullable=False)
    op.execute(
        "DELETE FROM links USING links AS earlier WHERE links.anchor_id = earlier.anchor_id "
        "AND links.other_anchor_id = earlier.other_anchor_id "
        "AND (links.linked_at, links.source_id) > (earlier.linked_at, earlier.source_id)"
    )
    op.drop_constraint("links_pkey", "links")
    op.create_primary_key("links_pkey", "links", ["anchor_id", "other_anchor_id"])
    for column in ("score", "legal_entity", "purposes"):
        op.drop_column("links", column)
    op.execute("DELETE FROM identifiers WHERE NOT is_current")
    op.create_unique_constraint("identifiers_namespace_value", "identifiers", ["namespace", "value"])
    for column in ("is_current", "sources", "digest", "not_before"):
        op.drop_column("identifiers", column)
    op.drop_column("former_customers", "anchor_id")
    op.drop_column("customers", "version")
    for column in ("limit_window", "normaliser", "verified_only", "is_shared", "is_outside", "is_restricted"):
        op.drop_column("namespaces", column)
    for column in ("trusted_namespaces", "signing_secret"):
        op.drop_column("sources", column)
