-- Mixed: customers with both arms. As of: the oldest reading among what is still read; everything final: the latest.
SELECT (SELECT count(*) FROM (SELECT FROM assignments WHERE campaign_key = $1
                              GROUP BY customer_id HAVING count(DISTINCT arm) > 1) AS united) AS mixed,
       (SELECT CASE WHEN bool_or(read_at IS NULL) THEN NULL
                    ELSE coalesce(min(read_at) FILTER (WHERE due_at IS NOT NULL), max(read_at)) END
        FROM assignments WHERE campaign_key = $1) AS as_of
