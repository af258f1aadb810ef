-- Put what was detected of locked customers' own anchors in the place of their answers; whether the condition held is
-- taken from everybody of their group. What became true by a move was true of nobody alone.
-- $1 customers, $2 the number of each one's group
WITH moved AS MATERIALIZED (
    SELECT customer_id, number FROM unnest($1::uuid[], $2::int[]) AS t (customer_id, number)
), held AS (
    SELECT m.number, s.sign_id, bool_or(s.holds) AS holds
    FROM moved m JOIN customer_signs s USING (customer_id) GROUP BY 1, 2
), detected AS (
    SELECT m.customer_id, d.sign_id, max(d.detected_at) AS renewed_at,
           COALESCE(max(d.detected_at) FILTER (WHERE NOT d.is_renewal), min(d.detected_at)) AS detected_at
    FROM moved m JOIN sign_detections d USING (customer_id)
    WHERE d.reason <> 'move' GROUP BY 1, 2
), signs_of AS (
    SELECT m.customer_id, h.sign_id FROM moved m JOIN held h USING (number)
    UNION
    SELECT customer_id, sign_id FROM detected
)
INSERT INTO customer_signs AS k (customer_id, sign_id, holds, is_active, detected_at, renewed_at, valid_until)
SELECT o.customer_id, o.sign_id, COALESCE(h.holds, false), false, d.detected_at, d.renewed_at, NULL
FROM signs_of o JOIN moved m USING (customer_id)
LEFT JOIN held h ON h.number = m.number AND h.sign_id = o.sign_id
LEFT JOIN detected d ON d.customer_id = o.customer_id AND d.sign_id = o.sign_id
ORDER BY o.customer_id, o.sign_id
ON CONFLICT (customer_id, sign_id) DO UPDATE SET
    holds = excluded.holds, detected_at = excluded.detected_at, renewed_at = excluded.renewed_at
