-- $1 now, $2 how many runs of each journey. A run whose customer is in motion waits until they have arrived.
WITH due AS MATERIALIZED (
    SELECT j.key FROM journeys j
    WHERE j.status = 'published'
      AND EXISTS (SELECT FROM runs r WHERE r.journey_key = j.key AND r.status = 'active' AND r.wake_at <= $1)
)
SELECT claimed.* FROM due CROSS JOIN LATERAL (
    SELECT r.run_id, r.customer_id, r.anchor_id, r.journey_key, r.journey_version, r.campaign_key, r.step, r.visit, r.arm,
        r.traceparent
    FROM runs r
    WHERE r.journey_key = due.key AND r.status = 'active' AND r.wake_at <= $1
      AND NOT EXISTS (SELECT FROM moving_customers m WHERE m.customer_id = r.customer_id)
      AND NOT EXISTS (SELECT FROM anchors a WHERE a.anchor_id = r.anchor_id AND a.pending > 0)
    ORDER BY r.wake_at LIMIT $2
    FOR UPDATE SKIP LOCKED
) AS claimed
