INSERT INTO traits AS t (customer_id, name, value, source_id, observed_at, event_id, received_at)
{fold}
ORDER BY 1, 2
ON CONFLICT (customer_id, name) DO UPDATE SET
    value = excluded.value, source_id = excluded.source_id, observed_at = excluded.observed_at,
    event_id = excluded.event_id, received_at = excluded.received_at
WHERE (t.value, t.source_id, t.observed_at, t.event_id, t.received_at)
    IS DISTINCT FROM (excluded.value, excluded.source_id, excluded.observed_at, excluded.event_id, excluded.received_at)
RETURNING customer_id
