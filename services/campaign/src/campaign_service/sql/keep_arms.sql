-- Who ran in an arm that was drawn for a customer they have since been parted from keeps it: it is never drawn again.
-- $1 customers, $2 now.
INSERT INTO assignments (campaign_key, anchor_id, customer_id, assigned_id, arm, assigned_at, due_at)
SELECT DISTINCT ON (r.campaign_key, r.customer_id)
       r.campaign_key, r.anchor_id, r.customer_id, r.customer_id, r.arm, r.started_at, $2
FROM runs r
WHERE r.customer_id = ANY ($1::uuid[]) AND r.arm IS NOT NULL
  AND NOT EXISTS (SELECT FROM assignments a WHERE a.campaign_key = r.campaign_key AND a.customer_id = r.customer_id)
ORDER BY r.campaign_key, r.customer_id, r.started_at, r.run_id
ON CONFLICT DO NOTHING
