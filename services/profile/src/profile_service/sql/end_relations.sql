-- What has ended is deleted, and its content with all that was said before it. $1 now
WITH ended AS (
    DELETE FROM relations WHERE ends_at <= $1::timestamptz RETURNING customer_id, relation_id, given_at, event_id
)
UPDATE relation_statements s SET purpose = NULL, relation = NULL, occasion = NULL, month = NULL, day = NULL, year = NULL,
       ends_at = NULL
FROM ended e
WHERE s.customer_id = e.customer_id AND s.relation_id = e.relation_id AND s.purpose IS NOT NULL
  AND (s.given_at, s.event_id) <= (e.given_at, e.event_id)
