-- Every day of a segment with its size at the end: the present size, less what changed after that day.
-- $1 segment, $2 first day, $3 last day
WITH present AS (
    SELECT COALESCE((SELECT size FROM segment_sizes WHERE segment_id = $1::uuid), 0)
           + COALESCE((SELECT sum(entered - exited) FROM segment_size_changes WHERE segment_id = $1::uuid), 0) AS size
), changes AS (
    SELECT day, reason, sum(entered) AS entered, sum(exited) AS exited
    FROM (
        SELECT day, reason, entered, exited FROM segment_days WHERE segment_id = $1::uuid AND day >= $2::date
        UNION ALL
        SELECT day, reason, entered, exited FROM segment_size_changes WHERE segment_id = $1::uuid AND day >= $2::date
    ) AS every
    GROUP BY day, reason
), days AS (
    SELECT day, sum(entered - exited) AS net,
           COALESCE(jsonb_object_agg(reason, entered) FILTER (WHERE entered > 0), '{}') AS entered,
           COALESCE(jsonb_object_agg(reason, exited) FILTER (WHERE exited > 0), '{}') AS exited
    FROM changes GROUP BY day
)
SELECT asked.day::date AS day,
       (present.size - COALESCE((SELECT sum(net) FROM days later WHERE later.day > asked.day), 0))::bigint AS size,
       COALESCE(days.entered, '{}') AS entered,
       COALESCE(days.exited, '{}') AS exited
FROM present
CROSS JOIN generate_series($2::date, $3::date, interval '1 day') AS asked (day)
LEFT JOIN days ON days.day = asked.day::date
ORDER BY asked.day
