-- One journey's entrants, each customer once. $4 step, $5 now, $6 wake_at; $7: a run started after it forbids another
-- (null: any run does); a run that still goes on always does. A run whose anchor is moving is that of the customer it
-- moves to. $12: the trace they begin in.
INSERT INTO runs (run_id, customer_id, anchor_id, journey_key, journey_version, campaign_key, step, visit, status,
                  triggered_at, started_at, wake_at, traceparent)
SELECT t.run_id, t.customer_id, t.anchor_id, $1, $2, $3, $4, 0, 'active', t.triggered_at, $5, $6, $12
FROM unnest($8::uuid[], $9::uuid[], $10::uuid[], $11::timestamptz[]) AS t (run_id, customer_id, anchor_id, triggered_at)
WHERE NOT EXISTS (
    SELECT FROM runs r
    WHERE r.journey_key = $1 AND r.customer_id = t.customer_id
      AND (r.status = 'active' OR $7::timestamptz IS NULL OR r.started_at > $7)
      AND NOT EXISTS (SELECT FROM anchors a
                      WHERE a.anchor_id = r.anchor_id AND a.pending > 0 AND a.customer_id <> r.customer_id)
) AND NOT EXISTS (
    SELECT FROM anchors a JOIN runs r ON r.anchor_id = a.anchor_id
    WHERE a.customer_id = t.customer_id AND a.pending > 0 AND r.journey_key = $1
      AND (r.status = 'active' OR $7::timestamptz IS NULL OR r.started_at > $7)
)
ON CONFLICT (run_id) DO NOTHING
RETURNING run_id
