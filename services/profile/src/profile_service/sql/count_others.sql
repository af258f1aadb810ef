-- For each moment: the customers known before it, those of them who may have shown the sign in the time, and of the rest
-- those whose outcome came within the horizon. {outcome} selects customer_id and moment, its parameters from $5.
-- $1 sign, $2 moments (ascending), $3 horizon, $4 the sign's lifetime
WITH arrivals AS MATERIALIZED ( -- one pass: how many came between the moments
    SELECT width_bucket(first_event_at, $2::timestamptz[]) AS place, count(*) AS customers FROM customers GROUP BY 1
)
SELECT t.position, known.customers, showing.customers AS showing, outcome.customers AS followed
FROM unnest($2::timestamptz[]) WITH ORDINALITY AS t (moment, position)
CROSS JOIN LATERAL (
    SELECT COALESCE(sum(a.customers), 0)::bigint AS customers FROM arrivals a WHERE a.place < t.position
) AS known
CROSS JOIN LATERAL (
    SELECT count(DISTINCT d.customer_id) AS customers
    FROM sign_detections d JOIN customers c USING (customer_id)
    WHERE d.sign_id = $1 AND d.detected_at > t.moment - $4::interval AND d.detected_at <= t.moment + $3::interval
      AND c.first_event_at < t.moment
) AS showing
CROSS JOIN LATERAL (
    SELECT count(DISTINCT o.customer_id) AS customers
    FROM ({outcome}) AS o JOIN customers c USING (customer_id)
    WHERE o.moment > t.moment AND o.moment <= t.moment + $3::interval
      AND c.first_event_at < t.moment
      AND NOT EXISTS (
          SELECT FROM sign_detections d
          WHERE d.customer_id = o.customer_id AND d.sign_id = $1
            AND d.detected_at > t.moment - $4::interval AND d.detected_at <= t.moment + $3::interval
      )
) AS outcome
ORDER BY t.position
