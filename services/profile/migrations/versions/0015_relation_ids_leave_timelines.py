"""A relation's id leaves the timeline: whoever guesses what was said can compute it, and so ask without the purpose."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Found by name, so by an index; what the last release still records until it is replaced, it records as before."""
    op.execute(
        "UPDATE events SET properties = properties - 'relation_id' "
        "WHERE name IN ('Relation Date Given', 'Relation Date Withdrawn') AND properties ? 'relation_id'"
    )


def downgrade() -> None:
    """What was taken away stands in `relation_statements`; nothing reads it on the timeline."""
