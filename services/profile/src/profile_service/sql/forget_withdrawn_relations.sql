-- What a customer took back is not kept: its content goes, also of what comes in late. $1 customers
UPDATE relation_statements s SET purpose = NULL, relation = NULL, occasion = NULL, month = NULL, day = NULL, year = NULL,
       ends_at = NULL
WHERE s.customer_id = ANY($1::uuid[]) AND s.purpose IS NOT NULL
  AND EXISTS (SELECT FROM relation_statements w
              WHERE w.customer_id = s.customer_id AND w.relation_id = s.relation_id AND w.is_withdrawal
                AND (w.given_at, w.event_id) > (s.given_at, s.event_id))
