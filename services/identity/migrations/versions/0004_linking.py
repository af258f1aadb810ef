"""Probabilistic linking: settings, runs, what they find, candidates and what was decided on them."""

from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add tables; the version before knows nothing of them."""
    _create_settings()
    _create_runs()
    _create_candidates()
    # an incremental run asks what moved since the run before
    op.create_index("moves_moved_at", "moves", ["moved_at"], postgresql_using="brin")


def _text(name: str, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=nullable)


def _id(name: str, *, primary_key: bool = False, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Uuid, primary_key=primary_key, nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _number(name: str, *, nullable: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float, nullable=nullable)


def _json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, postgresql.JSONB, nullable=nullable)


def _thresholds_and_engine() -> list[sa.Column[Any]]:
    return [
        _number("upper"),
        _number("lower"),
        _text("engine"),
        _text("spark_master", nullable=True),
        sa.Column("across_entities", sa.Boolean, nullable=False),
    ]


def _compared_records() -> list[sa.Column[Any]]:
    return [
        _id("record_anchor_id"),
        _text("record_source_id"),
        _id("other_record_anchor_id"),
        _text("other_record_source_id"),
    ]


def _create_settings() -> None:
    op.create_table(
        "linking_settings",
        sa.Column("singleton", sa.SmallInteger, primary_key=True, autoincrement=False),
        *_thresholds_and_engine(),
        sa.Column("version", sa.Integer, nullable=False),
        _text("changed_by", nullable=True),
        _moment("changed_at", nullable=True),
    )
    op.execute(
        "INSERT INTO linking_settings (singleton, upper, lower, engine, across_entities, version) "
        "VALUES (1, 0.95, 0.5, 'duckdb', false, 1)"
    )


def _create_runs() -> None:
    op.create_table(
        "linking_runs",
        _id("run_id", primary_key=True),
        _id("job_id"),
        _text("kind"),
        _text("created_by"),
        _moment("created_at"),
        _moment("started_at", nullable=True),
        _moment("finished_at", nullable=True),
        _moment("watermark", nullable=True),
        *_thresholds_and_engine(),
        *(
            sa.Column(name, sa.BigInteger)
            for name in ("records", "customers", "customers_scored", "pairs_compared", "linked", "to_review")
        ),
        _number("precision_estimate", nullable=True),
        _number("recall_estimate", nullable=True),
        _text("estimated_by", nullable=True),
        _json("model", nullable=True),
    )
    op.create_index("linking_runs_created_at", "linking_runs", ["created_at", "run_id"])
    op.create_table(
        "linking_results",
        _id("run_id", primary_key=True),
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        _id("anchor_id"),
        _id("other_anchor_id"),
        *_compared_records(),
        _number("score"),
        _text("outcome"),
        _text("contradiction", nullable=True),
        _json("fields"),
    )


def _create_candidates() -> None:
    op.create_table(
        "link_candidates",
        _id("candidate_id", primary_key=True),
        _id("anchor_id"),
        _id("other_anchor_id"),
        _id("customer_id"),
        _id("other_customer_id"),
        *_compared_records(),
        _number("score"),
        _text("state"),
        _text("contradiction", nullable=True),
        _json("fields"),
        _id("run_id"),
        _moment("created_at"),
        _moment("scored_at"),
        _text("decided_by", nullable=True),
        _moment("decided_at", nullable=True),
        _text("why", nullable=True),
        _id("decision_id", nullable=True),
    )
    op.create_index("link_candidates_anchors", "link_candidates", ["anchor_id", "other_anchor_id"], unique=True)
    op.create_index("link_candidates_other_anchor", "link_candidates", ["other_anchor_id"])
    op.create_index("link_candidates_queue", "link_candidates", ["state", sa.text("score DESC"), "candidate_id"])
    op.create_table(
        "candidate_decisions",
        _id("candidate_id", primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
        _text("action"),
        _text("decided_by"),
        _text("why"),
        _moment("decided_at"),
        _id("decision_id", nullable=True),
    )


def downgrade() -> None:
    """Runs, candidates and rejections are lost; what was linked stays linked."""
    op.drop_index("moves_moved_at", "moves")
    for table in ("candidate_decisions", "link_candidates", "linking_results", "linking_runs", "linking_settings"):
        op.drop_table(table)
