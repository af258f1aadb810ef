-- Kept for the connection's life and emptied at each commit, so that batches do not churn the catalog.
CREATE TEMPORARY TABLE IF NOT EXISTS incoming (
    customer_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    event_id uuid NOT NULL,
    anchor_id uuid NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    source_id text NOT NULL,
    received_at timestamptz NOT NULL,
    properties jsonb NOT NULL,
    traits jsonb
) ON COMMIT DELETE ROWS
