-- The newest events of many customers, each from the primary key's end, with the department their source had then.
-- $1 customers, $2 limit, $3 and $4 the last seen
SELECT t.position, e.event_id, e.name, e.kind, e.source_id, s.department, s.brand, s.legal_entity, e.occurred_at,
       e.properties
FROM unnest($1::uuid[]) WITH ORDINALITY AS t (customer_id, position)
CROSS JOIN LATERAL (
    SELECT e.event_id, e.name, e.kind, e.source_id, e.occurred_at, e.properties
    FROM events e
    WHERE e.customer_id = t.customer_id
      AND (e.occurred_at, e.event_id) < (COALESCE($3::timestamptz, 'infinity'),
                                     COALESCE($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY e.occurred_at DESC, e.event_id DESC
    LIMIT $2::int
) AS e
LEFT JOIN sources s ON s.source_id = e.source_id AND s.valid_from <= e.occurred_at AND e.occurred_at < s.valid_until
ORDER BY t.position, e.occurred_at DESC, e.event_id DESC
