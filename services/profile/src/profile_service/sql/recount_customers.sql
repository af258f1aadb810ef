-- Count locked customers' timelines anew: what record_events adds up, concluded from the events themselves.
-- $1 customers, $2 purchase event
WITH summed AS (
    SELECT t.customer_id,
           min(e.occurred_at) AS first_event_at,
           max(e.occurred_at) AS latest_event_at,
           (array_agg(e.event_id ORDER BY e.occurred_at DESC, e.event_id DESC))[1] AS latest_event_id,
           (array_agg(e.anchor_id ORDER BY e.occurred_at DESC, e.event_id DESC))[1] AS latest_anchor_id,
           count(e.event_id) AS event_count,
           count(*) FILTER (WHERE e.name = $2::text) AS purchase_count,
           COALESCE(sum(e.revenue) FILTER (WHERE e.name = $2::text), 0) AS purchase_total,
           count(*) FILTER (WHERE e.name = $2::text AND e.properties @> '{"simulated": true}') AS simulated_count,
           COALESCE(sum(e.revenue) FILTER (WHERE e.name = $2::text AND e.properties @> '{"simulated": true}'), 0)
               AS simulated_total,
           max(e.occurred_at) FILTER (WHERE e.name = $2::text) AS last_purchase_at
    FROM unnest($1::uuid[]) AS t (customer_id) LEFT JOIN events e ON e.customer_id = t.customer_id
    GROUP BY t.customer_id
)
UPDATE customers c SET
    first_event_at = COALESCE(s.first_event_at, c.first_event_at),
    latest_event_at = COALESCE(s.latest_event_at, c.latest_event_at),
    latest_event_id = COALESCE(s.latest_event_id, c.latest_event_id),
    latest_anchor_id = COALESCE(s.latest_anchor_id, c.latest_anchor_id),
    event_count = s.event_count,
    purchase_count = s.purchase_count,
    purchase_total = s.purchase_total,
    simulated_count = s.simulated_count,
    simulated_total = s.simulated_total,
    last_purchase_at = s.last_purchase_at
FROM summed s
WHERE c.customer_id = s.customer_id
RETURNING c.customer_id, c.event_count
