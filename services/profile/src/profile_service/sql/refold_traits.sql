-- Fold the customers' observations anew. $1 customers
INSERT INTO traits (customer_id, name, value, source_id, observed_at, event_id)
SELECT DISTINCT ON (customer_id, name) customer_id, name, value, source_id, observed_at, event_id
FROM trait_observations
WHERE customer_id = ANY($1::uuid[])
ORDER BY customer_id, name, observed_at DESC, event_id DESC
