-- Lock the customers of a move in order; one without a row gets an empty one, which recount_customers fills or empties.
-- $1 customers, $2 now
INSERT INTO customers AS c (customer_id, first_event_at, latest_event_at, latest_event_id, latest_anchor_id, event_count)
SELECT id, $2::timestamptz, $2::timestamptz, id, id, 0
FROM (SELECT DISTINCT unnest($1::uuid[]) AS id) AS moved
ORDER BY id
ON CONFLICT (customer_id) DO UPDATE SET event_count = c.event_count
