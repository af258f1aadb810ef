-- Of each customer's visible events how many there are, and the newest; each with the department its source had then.
-- The index that tells names, moments and sources is gone over once, so a page costs the same however many events are
-- hidden before it is full. It does not tell which of a moment's events: whole moments are taken, then read by the key.
-- $1 customers, $2 limit, $3 and $4 the last seen
WITH looked_at AS MATERIALIZED (
    SELECT t.position, t.customer_id, v.event_count, v.moments
    FROM unnest($1::uuid[]) WITH ORDINALITY AS t (customer_id, position)
    CROSS JOIN LATERAL (
        WITH seen AS MATERIALIZED (
            SELECT e.occurred_at FROM events e WHERE e.customer_id = t.customer_id AND true /* visible */
        )
        SELECT (SELECT count(*) FROM seen) AS event_count,
               array_append(ARRAY(SELECT occurred_at FROM seen
                                  WHERE occurred_at < COALESCE($3::timestamptz, 'infinity')
                                  ORDER BY occurred_at DESC LIMIT $2::int), $3::timestamptz) AS moments
    ) AS v
)
SELECT l.position, l.event_count, e.event_id, e.name, e.kind, e.source_id, s.department, s.brand, s.legal_entity,
       e.occurred_at, e.properties
FROM looked_at l
LEFT JOIN LATERAL (
    SELECT e.event_id, e.name, e.kind, e.source_id, e.occurred_at, e.properties
    FROM events e
    WHERE e.customer_id = l.customer_id AND e.occurred_at = ANY(l.moments)
      AND true /* visible */
      AND (e.occurred_at, e.event_id) < (COALESCE($3::timestamptz, 'infinity'),
                                         COALESCE($4::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
    ORDER BY e.occurred_at DESC, e.event_id DESC
    LIMIT $2::int
) AS e ON true
LEFT JOIN sources s ON s.source_id = e.source_id AND s.valid_from <= e.occurred_at AND e.occurred_at < s.valid_until
ORDER BY l.position, e.occurred_at DESC, e.event_id DESC
