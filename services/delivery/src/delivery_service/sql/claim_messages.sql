-- Due messages, oldest first, locked, each with its template, topic and best contact point.
-- $1 now, $2 how many, $3 and $4 what advertising and other mail is sent for when its topic does not say.
-- "Best" follows rules.may_be_used and rules.permits: a contact point that may be written to comes before one that is only
-- suppressed, that one before one without permission, that one before one that the topic's legal entity may not use; among
-- equals the one the message hangs on, then the latest permission, then the latest link.
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
    o.cap_messages, o.cap_days, o.legal_entity AS sender, meant.purpose,
    contact.anchor_id AS contact_anchor_id, contact.legal_entity AS owner, contact.purposes,
    contact.address, contact.permission, contact.suppressed,
    (SELECT jsonb_agg(jsonb_build_array(more.legal_entity, more.purposes))
     FROM contact_point_grants more WHERE more.anchor_id = contact.anchor_id) AS more_grants
FROM due
JOIN messages m USING (message_id)
LEFT JOIN templates t ON t.key = m.template_key
LEFT JOIN topics o ON o.key = m.topic
CROSS JOIN LATERAL (
    SELECT coalesce(o.purpose, CASE WHEN t.category = 'advertising' THEN $3 ELSE $4 END) AS purpose
) AS meant
LEFT JOIN LATERAL (
    SELECT c.anchor_id, c.address, c.legal_entity, c.purposes, p.status AS permission, s.address IS NOT NULL AS suppressed
    FROM contact_points c
    LEFT JOIN permissions p ON p.channel = c.channel AND p.address = c.address AND p.topic = m.topic
    LEFT JOIN suppressions s ON s.channel = c.channel AND s.address = c.address
    CROSS JOIN LATERAL (
        SELECT CASE WHEN t.category = 'advertising' THEN coalesce(p.status = 'granted', false)
                    ELSE p.status IS DISTINCT FROM 'withdrawn' END AS permitted,
               o.legal_entity IS NULL OR c.legal_entity IS NULL OR EXISTS (
                   SELECT FROM (
                       SELECT c.legal_entity, c.purposes
                       UNION ALL
                       SELECT more.legal_entity, more.purposes FROM contact_point_grants more
                       WHERE more.anchor_id = c.anchor_id
                   ) AS brought
                   WHERE (brought.purposes = '{}' OR meant.purpose = ANY(brought.purposes)) AND (
                       brought.legal_entity = o.legal_entity OR EXISTS (
                           SELECT FROM agreements g
                           WHERE g.to_entity = o.legal_entity AND g.from_entity = brought.legal_entity AND NOT g.removed
                             AND g.valid_from <= $1 AND (g.valid_until IS NULL OR g.valid_until > $1)
                             AND (g.purposes = '{}' OR meant.purpose = ANY(g.purposes))))) AS used
    ) AS may
    WHERE c.customer_id = m.customer_id AND c.channel = m.channel
      AND NOT EXISTS (SELECT FROM anchors a WHERE a.anchor_id = c.anchor_id AND a.pending > 0)
    ORDER BY may.used DESC, may.permitted DESC, s.address IS NULL DESC, c.anchor_id = m.anchor_id DESC,
        p.recorded_at DESC NULLS LAST, c.linked_at DESC, c.anchor_id
    LIMIT 1
) contact ON true
ORDER BY m.due_at, m.sequence
