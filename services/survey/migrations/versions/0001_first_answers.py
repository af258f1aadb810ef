"""Questionnaires, invitations, responses with their answers, commitments with their history."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

from servicekit.migrations import create_chassis

revision = "0001"
down_revision = None

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    create_chassis(op)
    _create_questionnaires()
    _create_invitations()
    _create_responses()
    _create_commitments()


def _create_questionnaires() -> None:
    op.create_table(
        "questionnaires",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("updated_at", INSTANT, nullable=False),
    )
    op.create_table(
        "questionnaire_versions",
        sa.Column("questionnaire_key", sa.Text, sa.ForeignKey("questionnaires.key"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("definition", JSONB, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
    )


def _create_invitations() -> None:
    op.create_table(
        "invitations",
        sa.Column("invitation_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("questionnaire_key", sa.Text, nullable=False),
        sa.Column("questionnaire_version", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Uuid),
        sa.Column("campaign_key", sa.Text),
        sa.Column("issued_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    op.create_index("invitations_questionnaire_customer", "invitations", ["questionnaire_key", "customer_id"])
    op.create_index("invitations_customer", "invitations", ["customer_id"])
    op.create_index("invitations_anchor", "invitations", ["anchor_id"])


def _create_responses() -> None:
    op.create_table(
        "responses",
        sa.Column("response_id", sa.Uuid, primary_key=True),
        sa.Column("invitation_id", sa.Uuid, nullable=False, unique=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("questionnaire_key", sa.Text, nullable=False),
        sa.Column("questionnaire_version", sa.Integer, nullable=False),
        sa.Column("run_id", sa.Uuid),
        sa.Column("campaign_key", sa.Text),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("nps_score", sa.SmallInteger),
        sa.Column("first_answered_at", INSTANT, nullable=False),
        sa.Column("answered_at", INSTANT, nullable=False),
        sa.Column("valid_until", INSTANT),
    )
    # figures over everybody are read from the two indexes alone
    op.create_index(
        "responses_customer",
        "responses",
        ["customer_id", sa.text("answered_at DESC")],
        postgresql_include=["valid_until", "nps_score"],
    )
    op.create_index(
        "responses_questionnaire_customer",
        "responses",
        ["questionnaire_key", "customer_id", sa.text("answered_at DESC")],
        postgresql_include=["valid_until", "nps_score"],
    )
    op.create_index("responses_anchor", "responses", ["anchor_id"])
    op.create_table(
        "answers",
        sa.Column("response_id", sa.Uuid, primary_key=True),
        sa.Column("question_key", sa.Text, primary_key=True),
        sa.Column("position", sa.SmallInteger, nullable=False),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("value", JSONB, nullable=False),
    )
    op.create_index("answers_anchor", "answers", ["anchor_id"])


def _create_commitments() -> None:
    op.create_table(
        "commitments",
        sa.Column("commitment_id", sa.Uuid, primary_key=True),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("response_id", sa.Uuid, nullable=False),
        sa.Column("questionnaire_key", sa.Text, nullable=False),
        sa.Column("question_key", sa.Text, nullable=False),
        sa.Column("option_key", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("subject", sa.Text, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("owner_department", sa.Text, nullable=False),
        sa.Column("due_on", sa.Date),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("proof", sa.Text),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("made_at", INSTANT, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
    )
    latest_first = [sa.text("made_at DESC"), sa.text("commitment_id DESC")]
    op.create_index("commitments_customer", "commitments", ["customer_id", sa.text("made_at DESC")])
    op.create_index("commitments_made", "commitments", latest_first)
    op.create_index("commitments_status_made", "commitments", ["status", *latest_first])
    op.create_index("commitments_response", "commitments", ["response_id"])
    op.create_index("commitments_anchor", "commitments", ["anchor_id"])
    op.create_table(
        "commitment_changes",
        sa.Column("commitment_id", sa.Uuid, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("customer_id", sa.Uuid, nullable=False),
        sa.Column("anchor_id", sa.Uuid, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("proof", sa.Text),
        sa.Column("changed_by", sa.Text, nullable=False),
        sa.Column("changed_at", INSTANT, nullable=False),
    )
    op.create_index("commitment_changes_anchor", "commitment_changes", ["anchor_id"])
