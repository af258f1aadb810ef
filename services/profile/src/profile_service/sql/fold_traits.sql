-- Fold traits anew: who wins by the trait's policy, among what each source says of it now. A source's latest observation
-- is its word; the one before it is corrected by it, what it took back or what has another type is no word at all.
-- $1 customers, $2 names: pairs. A pair of which nothing counts has the value null, from nobody, before everything.
WITH RECURSIVE pairs AS (
    SELECT DISTINCT customer_id, name FROM unnest($1::uuid[], $2::text[]) AS t (customer_id, name)
), spoken AS ( -- from source to source by the primary key, however much each of them said
    SELECT p.customer_id, p.name, s.source_id
    FROM pairs p CROSS JOIN LATERAL (
        SELECT o.source_id FROM trait_observations o
        WHERE o.customer_id = p.customer_id AND o.name = p.name
        ORDER BY o.source_id LIMIT 1
    ) AS s
    UNION ALL
    SELECT k.customer_id, k.name, s.source_id
    FROM spoken k CROSS JOIN LATERAL (
        SELECT o.source_id FROM trait_observations o
        WHERE o.customer_id = k.customer_id AND o.name = k.name AND o.source_id > k.source_id
        ORDER BY o.source_id LIMIT 1
    ) AS s
), words AS MATERIALIZED (
    SELECT k.customer_id, k.name, k.source_id, o.observed_at, o.received_at, o.event_id, o.value,
           COALESCE(d.policy, 'latest') AS policy, d.type,
           CASE WHEN d.policy = 'most_trusted'
                THEN (SELECT min(t.position) FROM jsonb_array_elements(d.trusted) WITH ORDINALITY AS t (entry, position)
                      WHERE t.entry ->> 'source' = k.source_id OR t.entry ->> 'department' = s.department) END AS trust
    FROM spoken k
    LEFT JOIN trait_definitions d ON d.name = k.name
    CROSS JOIN LATERAL (
        SELECT o.observed_at, o.received_at, o.event_id, o.value FROM trait_observations o
        WHERE o.customer_id = k.customer_id AND o.name = k.name AND o.source_id = k.source_id
          AND o.retraction_id IS NULL AND (d.shape IS NULL OR o.value @? d.shape::jsonpath)
        ORDER BY o.observed_at DESC, o.received_at DESC, o.event_id DESC LIMIT 1
    ) AS o
    LEFT JOIN sources s
           ON s.source_id = k.source_id AND s.valid_from <= o.observed_at AND o.observed_at < s.valid_until
), weighed AS (
    SELECT *, CASE WHEN policy IN ('max', 'min') AND type = 'number' THEN (value #>> '{}')::numeric END AS number,
           CASE WHEN policy IN ('max', 'min') AND type = 'date' THEN left(value #>> '{}', 10) END COLLATE "C" AS day
    FROM words
    WHERE policy IN ('latest', 'most_trusted') OR value <> 'null'
), winners AS (
    SELECT DISTINCT ON (customer_id, name)
           customer_id, name, policy, value, source_id, observed_at, received_at, event_id
    FROM weighed
    ORDER BY customer_id, name, trust NULLS LAST,
             CASE policy WHEN 'max' THEN number END DESC NULLS LAST, CASE policy WHEN 'min' THEN number END,
             CASE policy WHEN 'max' THEN day END DESC NULLS LAST, CASE policy WHEN 'min' THEN day END,
             observed_at DESC, received_at DESC, event_id DESC
), elements AS ( -- of lists, each as it was said first
    SELECT DISTINCT ON (w.customer_id, w.name, e.element)
           w.customer_id, w.name, e.element, w.observed_at, w.received_at, w.event_id, e.position
    FROM weighed w
    CROSS JOIN LATERAL jsonb_array_elements(
        CASE jsonb_typeof(w.value) WHEN 'array' THEN w.value ELSE jsonb_build_array(w.value) END
    ) WITH ORDINALITY AS e (element, position)
    WHERE w.policy = 'union' AND e.element <> 'null'
    ORDER BY w.customer_id, w.name, e.element, w.observed_at, w.received_at, w.event_id, e.position
), unions AS (
    SELECT customer_id, name, jsonb_agg(element ORDER BY observed_at, received_at, event_id, position) AS value
    FROM elements GROUP BY customer_id, name
)
SELECT p.customer_id, p.name,
       COALESCE(CASE w.policy WHEN 'union' THEN COALESCE(u.value, '[]') ELSE w.value END, 'null') AS value,
       COALESCE(w.source_id, '') AS source_id,
       COALESCE(w.observed_at, '-infinity') AS observed_at,
       COALESCE(w.event_id, '00000000-0000-0000-0000-000000000000') AS event_id,
       COALESCE(w.received_at, '-infinity') AS received_at
FROM (SELECT DISTINCT customer_id, name FROM spoken) AS p
LEFT JOIN winners w USING (customer_id, name)
LEFT JOIN unions u USING (customer_id, name)
