-- Customers who turned out to be one. Of their runs in one journey the older goes on; where the campaign holds one of
-- them out, nothing further is sent.
WITH ranked AS (
    SELECT r.run_id,
           row_number() OVER (PARTITION BY r.journey_key, r.customer_id ORDER BY r.started_at, r.run_id) > 1 AS is_younger,
           EXISTS (SELECT FROM assignments a WHERE a.campaign_key = r.campaign_key AND a.customer_id = r.customer_id
                   AND a.arm = 'holdout') AS is_held_out
    FROM runs r WHERE r.customer_id = ANY ($1::uuid[]) AND r.status = 'active'
)
UPDATE runs r
SET status = 'ended', outcome = CASE WHEN ranked.is_younger THEN 'merged' ELSE 'exited' END, ended_at = $2, wake_at = NULL
FROM ranked
WHERE r.run_id = ranked.run_id AND r.status = 'active' AND (ranked.is_younger OR ranked.is_held_out)
RETURNING r.run_id, r.customer_id, r.anchor_id, r.journey_key, r.campaign_key, r.arm, r.outcome
