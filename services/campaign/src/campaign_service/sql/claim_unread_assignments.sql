-- Assignments of ONE campaign whose purchases are due to be read, leased until $2; $1 now, $3 how many.
WITH first_due AS (
    SELECT campaign_key FROM assignments WHERE due_at <= $1 ORDER BY due_at LIMIT 1
), due AS MATERIALIZED (
    SELECT a.campaign_key, a.anchor_id FROM assignments a
    WHERE a.campaign_key = (SELECT campaign_key FROM first_due) AND a.due_at <= $1
    ORDER BY a.due_at LIMIT $3
    FOR UPDATE SKIP LOCKED
)
UPDATE assignments a SET due_at = $2
FROM due, campaigns c
WHERE a.campaign_key = due.campaign_key AND a.anchor_id = due.anchor_id AND c.key = a.campaign_key
RETURNING a.campaign_key, a.anchor_id, a.customer_id, a.assigned_at, c.goal_event, c.goal_sum_property, c.goal_window_days
