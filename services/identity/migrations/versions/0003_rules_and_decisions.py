"""The rules as they are become version 1; decisions are listed by time."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FIRST_VERSION = """
INSERT INTO rules_versions (version, namespaces, changed_by, why, changed_at)
SELECT
    1,
    jsonb_agg(
        jsonb_build_object(
            'name', name, 'limit', value_limit, 'limit_window', limit_window, 'priority', priority,
            'unique', is_unique, 'blocked_values', to_jsonb(blocked_values), 'normaliser', normaliser,
            'verified_only', verified_only, 'shared', is_shared, 'outside', is_outside, 'restricted', is_restricted,
            'version', version
        ) ORDER BY priority, name
    ),
    'kizuna',
    CASE WHEN max(updated_at) IS NULL THEN 'As shipped.' ELSE 'As they were when versions began.' END,
    coalesce(max(updated_at), timestamptz '2026-11-22 00:00:00+00')
FROM namespaces
HAVING count(*) > 0
"""


def upgrade() -> None:
    """Write the first version; index."""
    op.execute(_FIRST_VERSION)
    op.create_index("decisions_decided_at", "decisions", ["decided_at", "decision_id"])


def downgrade() -> None:
    """Forget the versions."""
    op.drop_index("decisions_decided_at", "decisions")
    op.execute("DELETE FROM rules_versions")
