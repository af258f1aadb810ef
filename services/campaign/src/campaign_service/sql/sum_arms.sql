-- Each customer counts once, in the arm assigned first (intention to treat), also when customers became one since.
WITH customers AS (
    SELECT DISTINCT ON (customer_id) customer_id, arm, purchases, revenue
    FROM assignments WHERE campaign_key = $1
    ORDER BY customer_id, assigned_at, anchor_id
)
SELECT arm, count(*) AS customers, count(*) FILTER (WHERE purchases > 0) AS purchasers,
       coalesce(sum(purchases), 0) AS purchases, coalesce(sum(revenue), 0) AS revenue, coalesce(var_samp(revenue), 0) AS variance
FROM customers GROUP BY arm
