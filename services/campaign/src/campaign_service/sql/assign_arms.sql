-- $1 campaign, $2 now, $3 first reading of purchases. A customer who has an arm keeps it.
INSERT INTO assignments (campaign_key, anchor_id, customer_id, assigned_id, arm, assigned_at, due_at)
SELECT $1, t.anchor_id, t.customer_id, t.customer_id, t.arm, $2, $3
FROM unnest($4::uuid[], $5::uuid[], $6::text[]) AS t (customer_id, anchor_id, arm)
WHERE NOT EXISTS (SELECT FROM assignments a WHERE a.campaign_key = $1 AND a.customer_id = t.customer_id)
ORDER BY t.anchor_id
ON CONFLICT DO NOTHING
