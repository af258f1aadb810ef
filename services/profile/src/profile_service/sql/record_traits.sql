-- Keep the incoming traits as observations, then fold: the latest by (observed_at, event_id) wins, whatever came first.
WITH observed AS (
    INSERT INTO trait_observations (customer_id, name, observed_at, event_id, anchor_id, source_id, value)
    SELECT i.customer_id, t.key, i.occurred_at, i.event_id, i.anchor_id, i.source_id, t.value
    FROM incoming i CROSS JOIN LATERAL jsonb_each(i.traits) AS t
    WHERE i.traits IS NOT NULL AND length(t.key) BETWEEN 1 AND 200
    ON CONFLICT DO NOTHING
    RETURNING customer_id, name, observed_at, event_id, source_id, value
)
INSERT INTO traits AS t (customer_id, name, value, source_id, observed_at, event_id)
SELECT DISTINCT ON (customer_id, name) customer_id, name, value, source_id, observed_at, event_id
FROM observed
ORDER BY customer_id, name, observed_at DESC, event_id DESC
ON CONFLICT (customer_id, name) DO UPDATE SET
    value = excluded.value, source_id = excluded.source_id, observed_at = excluded.observed_at, event_id = excluded.event_id
WHERE (excluded.observed_at, excluded.event_id) > (t.observed_at, t.event_id)
