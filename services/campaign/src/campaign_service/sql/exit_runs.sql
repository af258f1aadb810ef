-- Customers who left a segment end their runs in the journeys that ask for it, unless they came in after they left. A run
-- whose anchor is moving is that of the customer it moves to. Runs set aside (unite_runs.sql) do not come back either.
-- $4 now; $5: where a move lies between whom the fact names and who has its anchor, this anchor: of whoever has it only what
-- hangs on it is meant. Returns the runs that ended now.
WITH exits AS MATERIALIZED (
    SELECT t.customer_id, t.segment_key, t.anchor_id, max(t.left_at) AS left_at
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $5::uuid[])
        AS t (customer_id, segment_key, left_at, anchor_id) GROUP BY 1, 2, 3
), own AS (
    SELECT e.*, r.run_id, r.status FROM exits e JOIN runs r ON r.customer_id = e.customer_id
    WHERE NOT EXISTS (SELECT FROM anchors a
                      WHERE a.anchor_id = r.anchor_id AND a.pending > 0 AND a.customer_id <> r.customer_id)
    UNION ALL
    SELECT e.*, r.run_id, r.status FROM exits e
    JOIN anchors a ON a.customer_id = e.customer_id AND a.pending > 0
    JOIN runs r ON r.anchor_id = a.anchor_id AND r.customer_id <> a.customer_id
    UNION ALL
    SELECT e.*, r.run_id, r.status FROM exits e JOIN runs r ON r.anchor_id = e.anchor_id
), changed AS (
    UPDATE runs r
    SET status = 'ended', wake_at = NULL,
        outcome = CASE own.status WHEN 'active' THEN 'exited' ELSE r.outcome END,
        ended_at = CASE own.status WHEN 'active' THEN $4 ELSE r.ended_at END
    FROM own, journey_versions v
    WHERE r.run_id = own.run_id AND r.wake_at IS NOT NULL AND r.triggered_at <= own.left_at
      AND v.journey_key = r.journey_key AND v.version = r.journey_version
      AND v.definition #>> '{trigger,segment_key}' = own.segment_key
      AND (v.definition #>> '{trigger,exit_on_segment_exit}')::boolean
    RETURNING r.run_id, r.customer_id, r.anchor_id, r.journey_key, r.campaign_key, r.arm, r.outcome,
              own.status = 'active' AS has_ended
)
SELECT run_id, customer_id, anchor_id, journey_key, campaign_key, arm, outcome FROM changed WHERE has_ended
