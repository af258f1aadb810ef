-- Customers who turned out to be one, or to be two. Of one customer's runs in one journey the oldest goes on, the others
-- end as `merged` and remember for which (yields_to); where the campaign holds the customer out, all end as `exited`.
-- Runs that ended so are set aside: they keep wake_at, which every other end takes away. Parted from what set them aside,
-- they go on where they stopped. $1 customers, $2 now. Returns the runs that ended.
WITH standing AS (
    SELECT r.run_id, r.journey_key, r.customer_id, r.status, r.started_at,
           EXISTS (SELECT FROM assignments a WHERE a.campaign_key = r.campaign_key AND a.customer_id = r.customer_id
                   AND a.arm = 'holdout') AS is_held_out
    FROM runs r
    WHERE r.customer_id = ANY ($1::uuid[])
      AND (r.status = 'active'
           OR (r.wake_at IS NOT NULL AND NOT EXISTS (
               SELECT FROM runs o WHERE o.run_id = r.yields_to AND o.customer_id = r.customer_id)))
), ranked AS (
    SELECT run_id, status = 'active' AS was_active, is_held_out,
           first_value(run_id) OVER (PARTITION BY journey_key, customer_id, is_held_out ORDER BY started_at, run_id) AS oldest
    FROM standing
), decided AS (
    SELECT run_id, was_active,
           CASE WHEN is_held_out THEN 'exited' WHEN oldest <> run_id THEN 'merged' END AS outcome,
           CASE WHEN NOT is_held_out AND oldest <> run_id THEN oldest END AS yields_to
    FROM ranked
), changed AS (
    UPDATE runs r
    SET status = CASE WHEN d.outcome IS NULL THEN 'active' ELSE 'ended' END,
        outcome = d.outcome,
        ended_at = CASE WHEN d.outcome IS NOT NULL THEN COALESCE(r.ended_at, $2) END,
        yields_to = d.yields_to
    FROM decided d
    WHERE r.run_id = d.run_id AND (r.outcome, r.yields_to) IS DISTINCT FROM (d.outcome, d.yields_to)
    RETURNING r.run_id, r.customer_id, r.anchor_id, r.journey_key, r.campaign_key, r.arm, r.outcome,
              d.was_active AND r.status = 'ended' AS has_ended
)
SELECT run_id, customer_id, anchor_id, journey_key, campaign_key, arm, outcome FROM changed WHERE has_ended
