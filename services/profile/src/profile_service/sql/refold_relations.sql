-- What holds: of each relation the latest statement over all anchors, unless that took it back or has ended. $1 customers
INSERT INTO relations (customer_id, relation_id, anchor_id, event_id, source_id, given_at, purpose, relation, occasion,
                       month, day, year, ends_at)
SELECT customer_id, relation_id, anchor_id, event_id, source_id, given_at, purpose, relation, occasion, month, day, year,
       ends_at
FROM (
    SELECT DISTINCT ON (customer_id, relation_id) *
    FROM relation_statements
    WHERE customer_id = ANY($1::uuid[])
    ORDER BY customer_id, relation_id, given_at DESC, event_id DESC
) AS latest
WHERE purpose IS NOT NULL
