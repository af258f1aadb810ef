-- Keep the incoming traits as observations and fold those whose latest observation wins, whatever came first. Returned
-- are the others that need to be folded from all that was said: by another policy, while it changes, after a retraction.
-- $1 time zone of the day on which they are given
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
), given AS (
    INSERT INTO given_changes (day, source_id, kind, name, department, count)
    SELECT (SELECT (max(received_at) AT TIME ZONE $1::text)::date FROM incoming), o.source_id, 'trait', o.name,
           COALESCE(s.department, ''), count(*)
    FROM observed o
    LEFT JOIN sources s ON s.source_id = o.source_id AND s.valid_from <= o.observed_at AND o.observed_at < s.valid_until
    GROUP BY o.source_id, o.name, s.department
), named AS (
    INSERT INTO given_names (kind, name, source_id)
    SELECT DISTINCT 'trait', name, source_id FROM observed ORDER BY name, source_id
    ON CONFLICT DO NOTHING
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
