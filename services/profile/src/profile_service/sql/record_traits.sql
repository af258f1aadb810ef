-- Keep the incoming traits as observations and fold those whose latest observation wins, whatever came first. Returned
-- are the others that need to be folded from all that was said: by another policy, while it changes, after a retraction.
WITH folded_otherwise AS MATERIALIZED (
    SELECT name FROM trait_definitions WHERE policy <> 'latest' OR type IS NOT NULL
    UNION
    SELECT name FROM trait_refolds WHERE finished_at IS NULL
), observed AS (
    INSERT INTO trait_observations
        (customer_id, name, source_id, observed_at, event_id, anchor_id, value, received_at, retraction_id)
    SELECT i.customer_id, t.key, i.source_id, i.occurred_at, i.event_id, i.anchor_id, t.value, i.received_at,
           COALESCE((SELECT a.retraction_id FROM retracted_anchors a
                     WHERE a.anchor_id = i.anchor_id AND a.name = t.key AND a.source_id = i.source_id
                       AND i.occurred_at <= a.until
                     ORDER BY a.until, a.retraction_id LIMIT 1),
                    (SELECT r.retraction_id FROM trait_retractions r
                     WHERE r.source_id = i.source_id AND r.name = t.key AND r.is_for_everybody
                       AND i.occurred_at <= r.until
                     ORDER BY r.until, r.retraction_id LIMIT 1))
    FROM incoming i CROSS JOIN LATERAL jsonb_each(i.traits) AS t
    WHERE i.traits IS NOT NULL AND length(t.key) BETWEEN 1 AND 200
    ON CONFLICT DO NOTHING
    RETURNING customer_id, name, source_id, observed_at, event_id, value, received_at, retraction_id
), folded AS (
    INSERT INTO traits AS t (customer_id, name, value, source_id, observed_at, event_id, received_at)
    SELECT DISTINCT ON (customer_id, name) customer_id, name, value, source_id, observed_at, event_id, received_at
    FROM observed
    WHERE retraction_id IS NULL AND name NOT IN (SELECT name FROM folded_otherwise)
    ORDER BY customer_id, name, observed_at DESC, received_at DESC, event_id DESC
    ON CONFLICT (customer_id, name) DO UPDATE SET
        value = excluded.value, source_id = excluded.source_id, observed_at = excluded.observed_at,
        event_id = excluded.event_id, received_at = excluded.received_at
    WHERE (excluded.observed_at, excluded.received_at, excluded.event_id) > (t.observed_at, t.received_at, t.event_id)
)
SELECT DISTINCT customer_id, name FROM observed
WHERE retraction_id IS NOT NULL OR name IN (SELECT name FROM folded_otherwise)
