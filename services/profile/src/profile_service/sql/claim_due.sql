-- Lock customers with an answer whose time has come; those that somebody else concludes about come again later, those in
-- motion are concluded about when they have arrived.
-- $1 now, $2 limit
WITH due AS (
    (SELECT customer_id FROM segment_memberships WHERE valid_until <= $1::timestamptz ORDER BY valid_until LIMIT $2::int)
    UNION
    (SELECT customer_id FROM customer_ranks WHERE valid_until <= $1::timestamptz ORDER BY valid_until LIMIT $2::int)
    UNION
    (SELECT customer_id FROM customer_lifecycle WHERE valid_until <= $1::timestamptz ORDER BY valid_until LIMIT $2::int)
    UNION
    (SELECT customer_id FROM customer_signs WHERE valid_until <= $1::timestamptz ORDER BY valid_until LIMIT $2::int)
)
SELECT customer_id FROM customers WHERE customer_id IN (SELECT customer_id FROM due)
  AND NOT EXISTS (SELECT FROM moving_customers m WHERE m.customer_id = customers.customer_id)
ORDER BY customer_id FOR UPDATE SKIP LOCKED
