-- What was said of customers' traits, of each newest first, and what weighs it.
-- $1 customers, $2 names, $3 events: pairs, and of each the only event to read (null: any); $4 limit for each pair,
-- $5 to $7 the last one seen: observed_at, received_at, event_id
SELECT p.customer_id, p.name,
       o.event_id, o.observed_at, o.received_at, NULLIF(o.received_at, 'epoch') AS known_received_at, o.value,
       o.source_id, s.department, s.brand, s.legal_entity,
       r.retraction_id, r.why, r.asked_by, r.requested_at AS asked_at,
       d.shape IS NULL OR o.value @? d.shape::jsonpath AS is_fitting,
       EXISTS (SELECT FROM trait_observations n
               WHERE n.customer_id = o.customer_id AND n.name = o.name AND n.source_id = o.source_id
                 AND (n.observed_at, n.received_at, n.event_id) > (o.observed_at, o.received_at, o.event_id)
                 AND n.retraction_id IS NULL AND (d.shape IS NULL OR n.value @? d.shape::jsonpath)) AS is_corrected,
       (SELECT min(t.position) FROM jsonb_array_elements(d.trusted) WITH ORDINALITY AS t (entry, position)
        WHERE t.entry ->> 'source' = o.source_id OR t.entry ->> 'department' = s.department) AS trust
FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS p (customer_id, name, event_id)
LEFT JOIN trait_definitions d ON d.name = p.name
CROSS JOIN LATERAL (
    SELECT * FROM trait_observations o
    WHERE o.customer_id = p.customer_id AND o.name = p.name AND (p.event_id IS NULL OR o.event_id = p.event_id)
      AND ($5::timestamptz IS NULL OR (o.observed_at, o.received_at, o.event_id) < ($5, $6::timestamptz, $7::uuid))
    ORDER BY o.observed_at DESC, o.received_at DESC, o.event_id DESC
    LIMIT $4::int
) AS o
LEFT JOIN trait_retractions r ON r.retraction_id = o.retraction_id
LEFT JOIN sources s ON s.source_id = o.source_id AND s.valid_from <= o.observed_at AND o.observed_at < s.valid_until
ORDER BY p.customer_id, p.name, o.observed_at DESC, o.received_at DESC, o.event_id DESC
