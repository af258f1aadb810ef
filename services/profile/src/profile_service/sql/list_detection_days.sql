-- What became of a sign's detections, by day: how many, how many were followed by the outcome, and their mean moment.
-- Detections of a move are left out: they were true of nobody alone. {outcome} selects customer_id and moment, its
-- parameters from $7. $1 sign, $2 from, $3 until, $4 horizon, $5 zone, $6 version (null: any)
SELECT (d.detected_at AT TIME ZONE $5::text)::date AS day,
       count(*) AS detected,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM ({outcome}) AS o
           WHERE o.customer_id = d.customer_id AND o.moment > d.detected_at AND o.moment <= d.detected_at + $4::interval
       )) AS followed,
       to_timestamp(avg(extract(epoch FROM d.detected_at))) AS moment
FROM sign_detections d
WHERE d.sign_id = $1 AND d.detected_at >= $2::timestamptz AND d.detected_at < $3::timestamptz
  AND NOT d.is_renewal AND d.reason <> 'move' AND ($6::int IS NULL OR d.version = $6)
GROUP BY 1 ORDER BY 1
