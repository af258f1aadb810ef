-- Due messages, oldest first, locked, each with its template, topic and best contact point.
-- $1 now, $2 how many.
-- "Best" follows rules.permits: a contact point that may be used comes before one that is only suppressed, that one before
-- one without permission; among equals the one the message hangs on, then the latest permission, then the latest link.
-- Messages of customers in motion wait until their contact points have arrived: nobody gets mail meant for somebody who
-- has just been found to be another.
WITH due AS MATERIALIZED (
    SELECT message_id
    FROM messages
    WHERE state = 'requested' AND due_at <= $1
      AND NOT EXISTS (SELECT FROM moving_customers v WHERE v.customer_id = messages.customer_id)
      AND NOT EXISTS (SELECT FROM anchors a WHERE a.anchor_id = messages.anchor_id AND a.pending > 0)
    ORDER BY due_at, sequence
    LIMIT $2
    FOR UPDATE SKIP LOCKED
)
SELECT
    m.message_id, m.anchor_id, m.customer_id, m.run_id, m.campaign_key, m.channel, m.template_key,
    m.topic, m.variables, m.attempts, m.requested_at, m.traceparent,
    t.version AS template_version, t.category,
    o.cap_messages, o.cap_days,
    contact.anchor_id AS contact_anchor_id, contact.address, contact.permission, contact.suppressed
FROM due
JOIN messages m USING (message_id)
LEFT JOIN templates t ON t.key = m.template_key
LEFT JOIN topics o ON o.key = m.topic
LEFT JOIN LATERAL (
    SELECT c.anchor_id, c.address, p.status AS permission, s.address IS NOT NULL AS suppressed
    FROM contact_points c
    LEFT JOIN permissions p ON p.channel = c.channel AND p.address = c.address AND p.topic = m.topic
    LEFT JOIN suppressions s ON s.channel = c.channel AND s.address = c.address
    CROSS JOIN LATERAL (
        SELECT CASE WHEN t.category = 'advertising' THEN coalesce(p.status = 'granted', false)
                    ELSE p.status IS DISTINCT FROM 'withdrawn' END AS permitted
    ) AS may
    WHERE c.customer_id = m.customer_id AND c.channel = m.channel
      AND NOT EXISTS (SELECT FROM anchors a WHERE a.anchor_id = c.anchor_id AND a.pending > 0)
    ORDER BY may.permitted DESC, s.address IS NULL DESC, c.anchor_id = m.anchor_id DESC,
        p.recorded_at DESC NULLS LAST, c.linked_at DESC, c.anchor_id
    LIMIT 1
) contact ON true
ORDER BY m.due_at, m.sequence
