-- Customers who left a segment end their runs in the journeys that ask for it, unless they came in after they left.
UPDATE runs r
SET status = 'ended', outcome = 'exited', ended_at = $4, wake_at = NULL
FROM (
    SELECT t.customer_id, t.segment_key, max(t.left_at) AS left_at
    FROM unnest($1::uuid[], $2::text[], $3::timestamptz[]) AS t (customer_id, segment_key, left_at) GROUP BY 1, 2
) AS exits, journey_versions v
WHERE r.customer_id = exits.customer_id AND r.status = 'active' AND r.triggered_at <= exits.left_at
  AND v.journey_key = r.journey_key AND v.version = r.journey_version
  AND v.definition #>> '{trigger,segment_key}' = exits.segment_key
  AND (v.definition #>> '{trigger,exit_on_segment_exit}')::boolean
RETURNING r.run_id, r.customer_id, r.anchor_id, r.journey_key, r.campaign_key, r.arm, r.outcome
