"""Sources with their departments, provenance and policy of traits."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
LONG_AGO = "1970-01-01T00:00:00Z"
OWN_SOURCES = ("identity", "profile", "campaign", "delivery", "survey")


def upgrade() -> None:
    """Add columns that the version before leaves alone, and what is new."""
    _create_sources()
    for table in ("trait_observations", "traits"):  # of the time before: nobody knows when it was received
        op.add_column(table, sa.Column("received_at", MOMENT, nullable=False, server_default=LONG_AGO))
    op.add_column("trait_observations", sa.Column("retraction_id", sa.Uuid))
    _key_observations("customer_id", "name", "source_id", "observed_at", "event_id")
    op.create_table(
        "trait_definitions",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("type", sa.Text),
        sa.Column("shape", sa.Text),
        sa.Column("policy", sa.Text, nullable=False),
        sa.Column("trusted", JSONB, nullable=False),
        sa.Column("description", sa.Text),
        sa.Column("is_sensitive", sa.Boolean, nullable=False),
        sa.Column("labels", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
    )
    op.create_table(
        "trait_refolds",
        sa.Column("name", sa.Text, primary_key=True),
        *_progress("refolded"),
    )
    op.create_table(
        "trait_retractions",
        sa.Column("retraction_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("is_for_everybody", sa.Boolean, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.Column("why", sa.Text, nullable=False),
        sa.Column("asked_by", sa.Text, nullable=False),
        *_progress("retracted"),
    )
    op.create_index(
        "trait_retractions_everybody",
        "trait_retractions",
        ["source_id", "name"],
        postgresql_where=sa.text("is_for_everybody"),
    )
    op.create_table(
        "retracted_anchors",
        sa.Column("customer_id", sa.Uuid, primary_key=True),
        sa.Column("anchor_id", sa.Uuid, primary_key=True),
        sa.Column("retraction_id", sa.Uuid, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("source_id", sa.Text, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
    )
    op.create_index("retracted_anchors_anchor", "retracted_anchors", ["anchor_id"])


def _progress(counted: str) -> tuple[sa.Column[object], ...]:
    return (
        sa.Column("requested_at", MOMENT, nullable=False),
        sa.Column("began_at", MOMENT),
        sa.Column("cursor", sa.Uuid),
        sa.Column(counted, sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("finished_at", MOMENT),
    )


def _create_sources() -> None:
    sources = op.create_table(
        "sources",
        sa.Column("source_id", sa.Text, primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("department", sa.Text),
        sa.Column("brand", sa.Text),
        sa.Column("legal_entity", sa.Text),
        sa.Column("purposes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("is_own", sa.Boolean, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("valid_from", MOMENT, nullable=False),
        sa.Column("valid_until", MOMENT, nullable=False),
    )
    for service in OWN_SOURCES:
        op.execute(
            sources.insert().values(
                source_id=f"kizuna-{service}",
                version=0,
                name=f"Kizuna {service}",
                purposes=[],
                is_own=True,
                changed_at=sa.text("'-infinity'"),
                valid_from=sa.text("'-infinity'"),
                valid_until=sa.text("'infinity'"),
            )
        )


def _key_observations(*columns: str) -> None:
    op.drop_constraint("trait_observations_pkey", "trait_observations", type_="primary")
    op.create_primary_key("trait_observations_pkey", "trait_observations", list(columns))


def downgrade() -> None:
    """Remove them; what sources took back counts again."""
    for table in ("retracted_anchors", "trait_retractions", "trait_refolds", "trait_definitions", "sources"):
        op.drop_table(table)
    _key_observations("customer_id", "name", "observed_at", "event_id")
    op.drop_column("trait_observations", "retraction_id")
    for table in ("traits", "trait_observations"):
        op.drop_column(table, "received_at")
