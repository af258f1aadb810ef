-- Put the incoming events on the timelines and count them, once each; lock their customers in order.
-- $1 revenue property, $2 base currency, $3 purchase event, $4 time zone of the day on which they are given
WITH inserted AS (
    INSERT INTO events (customer_id, occurred_at, event_id, anchor_id, kind, name, source_id, revenue, properties)
    SELECT customer_id, occurred_at, event_id, anchor_id, kind, name, source_id,
           CASE WHEN jsonb_typeof(properties -> $1::text) = 'number'
                 AND upper(COALESCE(properties ->> 'currency', $2::text)) = $2::text
                THEN (properties -> $1::text)::numeric END,
           properties
    FROM incoming
    ORDER BY customer_id, occurred_at
    ON CONFLICT DO NOTHING
    RETURNING customer_id, occurred_at, event_id, anchor_id, name, source_id, revenue, name = $3::text AS is_purchase,
              name = $3::text AND properties @> '{"simulated": true}' AS is_simulated
), given AS (
    INSERT INTO given_changes (day, source_id, kind, name, department, count)
    SELECT (SELECT (max(received_at) AT TIME ZONE $4::text)::date FROM incoming), i.source_id, 'event', i.name,
           COALESCE(s.department, ''), count(*)
    FROM inserted i
    LEFT JOIN sources s ON s.source_id = i.source_id AND s.valid_from <= i.occurred_at AND i.occurred_at < s.valid_until
    GROUP BY i.source_id, i.name, s.department
), named AS (
    INSERT INTO given_names (kind, name, source_id)
    SELECT DISTINCT 'event', name, source_id FROM inserted ORDER BY name, source_id
    ON CONFLICT DO NOTHING
), summed AS (
    SELECT customer_id,
           min(occurred_at) AS first_event_at,
           max(occurred_at) AS latest_event_at,
           (array_agg(event_id ORDER BY occurred_at DESC, event_id DESC))[1] AS latest_event_id,
           (array_agg(anchor_id ORDER BY occurred_at DESC, event_id DESC))[1] AS latest_anchor_id,
           count(*) AS event_count,
           count(*) FILTER (WHERE is_purchase) AS purchase_count,
           COALESCE(sum(revenue) FILTER (WHERE is_purchase), 0) AS purchase_total,
           count(*) FILTER (WHERE is_simulated) AS simulated_count,
           COALESCE(sum(revenue) FILTER (WHERE is_simulated), 0) AS simulated_total,
           max(occurred_at) FILTER (WHERE is_purchase) AS last_purchase_at
    FROM inserted
    GROUP BY customer_id
)
INSERT INTO customers AS c (customer_id, first_event_at, latest_event_at, latest_event_id, latest_anchor_id, event_count,
                            purchase_count, purchase_total, simulated_count, simulated_total, last_purchase_at)
SELECT customer_id, first_event_at, latest_event_at, latest_event_id, latest_anchor_id, event_count,
       purchase_count, purchase_total, simulated_count, simulated_total, last_purchase_at
FROM summed
ORDER BY customer_id -- everybody locks customers in this order
ON CONFLICT (customer_id) DO UPDATE SET
    first_event_at = LEAST(c.first_event_at, excluded.first_event_at),
    latest_event_at = GREATEST(c.latest_event_at, excluded.latest_event_at),
    latest_event_id = CASE WHEN (excluded.latest_event_at, excluded.latest_event_id) > (c.latest_event_at, c.latest_event_id)
                           THEN excluded.latest_event_id ELSE c.latest_event_id END,
    latest_anchor_id = CASE WHEN (excluded.latest_event_at, excluded.latest_event_id) > (c.latest_event_at, c.latest_event_id)
                            THEN excluded.latest_anchor_id ELSE c.latest_anchor_id END,
    event_count = c.event_count + excluded.event_count,
    purchase_count = c.purchase_count + excluded.purchase_count,
    purchase_total = c.purchase_total + excluded.purchase_total,
    simulated_count = c.simulated_count + excluded.simulated_count,
    simulated_total = c.simulated_total + excluded.simulated_total,
    last_purchase_at = GREATEST(c.last_purchase_at, excluded.last_purchase_at)
RETURNING customer_id, xmax = 0 AS is_new
