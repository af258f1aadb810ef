-- The latest 100 runs of each customer, newest first.
SELECT r.*, v.definition ->> 'name' AS journey_name
FROM unnest($1::uuid[]) AS wanted (customer_id)
CROSS JOIN LATERAL (
    SELECT run_id, customer_id, journey_key, journey_version, campaign_key, arm, step, status, started_at,
           CASE status WHEN 'active' THEN wake_at END AS wake_at, ended_at, outcome
    FROM runs WHERE runs.customer_id = wanted.customer_id ORDER BY started_at DESC LIMIT 100
) AS r
JOIN journey_versions v ON v.journey_key = r.journey_key AND v.version = r.journey_version
ORDER BY r.customer_id, r.started_at DESC
