-- What became of a sign's detections, by day: how many, how many were followed by the outcome, and their mean moment.
-- Detections of a move are left out: they were true of nobody alone. {where} is over `events e`, its parameters from $8.
-- $1 sign, $2 from, $3 until, $4 horizon, $5 outcome's event, $6 zone, $7 version (null: any)
SELECT (d.detected_at AT TIME ZONE $6::text)::date AS day,
       count(*) AS detected,
       count(*) FILTER (WHERE EXISTS (
           SELECT FROM events e
           WHERE e.customer_id = d.customer_id AND e.name = $5::text
             AND e.occurred_at > d.detected_at AND e.occurred_at <= d.detected_at + $4::interval AND {where}
       )) AS followed,
       to_timestamp(avg(extract(epoch FROM d.detected_at))) AS moment
FROM sign_detections d
WHERE d.sign_id = $1 AND d.detected_at >= $2::timestamptz AND d.detected_at < $3::timestamptz
  AND NOT d.is_renewal AND d.reason <> 'move' AND ($7::int IS NULL OR d.version = $7)
GROUP BY 1 ORDER BY 1
