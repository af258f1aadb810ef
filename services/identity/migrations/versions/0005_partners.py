"""Agreements, imports, coverage by day."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables; the version before knows nothing of them."""
    _create_agreements()
    _create_imports()
    _create_coverage()


def _text(name: str, *, primary_key: bool = False, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, primary_key=primary_key, nullable=nullable)


def _texts(name: str) -> sa.Column[object]:
    return sa.Column(name, postgresql.ARRAY(sa.Text), nullable=False, server_default="{}")


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _count(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False, server_default="0")


def _create_agreements() -> None:
    op.create_table(
        "agreements",
        _text("agreement_id", primary_key=True),
        _text("from_entity"),
        _text("to_entity"),
        _texts("purposes"),
        _moment("valid_from"),
        _moment("valid_until", nullable=True),
        _text("evidence"),
        sa.Column("version", sa.Integer, nullable=False),
        _moment("created_at"),
        _moment("updated_at"),
    )


def _create_imports() -> None:
    op.create_table(
        "imports",
        sa.Column("import_id", sa.Uuid, primary_key=True),
        _text("source_id"),
        _text("kind"),
        _text("format"),
        _text("encoding"),
        sa.Column("mapping", postgresql.JSONB, nullable=False),
        _texts("purposes"),
        sa.Column("dry_run", sa.Boolean, nullable=False),
        _moment("as_of"),
        _text("state"),
        sa.Column("job_id", sa.Uuid),
        _count("size"),
        _count("bytes_read"),
        _count("lines_read"),
        _count("accepted"),
        _count("rejected"),
        _text("problem", nullable=True),
        _text("created_by"),
        _moment("created_at"),
        _moment("started_at", nullable=True),
        _moment("finished_at", nullable=True),
    )
    op.create_table(
        "import_chunks",
        sa.Column("import_id", sa.Uuid, primary_key=True),
        sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "import_batches",
        sa.Column("import_id", sa.Uuid, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("lines", postgresql.ARRAY(sa.BigInteger), nullable=False),
    )
    op.create_table(
        "import_lines",
        sa.Column("import_id", sa.Uuid, primary_key=True),
        sa.Column("line", sa.BigInteger, primary_key=True, autoincrement=False),
        _text("field"),
        _text("detail"),
    )


def _create_coverage() -> None:
    op.create_table(
        "coverage_days",
        sa.Column("day", sa.Date, primary_key=True),
        _text("brand", primary_key=True),
        _text("source_id", primary_key=True),
        _text("namespace", primary_key=True),
        *(_count(name) for name in ("customers", "known", "anonymous", "linked", "linked_outside", "identifiers")),
        _moment("computed_at"),
    )
    op.create_table(
        "coverage_state",
        sa.Column("singleton", sa.SmallInteger, primary_key=True, autoincrement=False),
        sa.Column("marker", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        _moment("computed_at"),
    )


def downgrade() -> None:
    """Agreements, imports and the history of coverage are lost."""
    for table in (
        "coverage_state", "coverage_days", "import_lines", "import_batches", "import_chunks", "imports", "agreements",
    ):  # fmt: skip
        op.drop_table(table)
