-- One statement: where a link of a message leads, and whether this click is its first.
-- $1 message, $2 index of the link, $3 now.
WITH target AS (
    SELECT
        m.message_id, m.anchor_id, m.customer_id, m.run_id, m.campaign_key, m.channel, m.template_key,
        v.links -> $2::int ->> 'label' AS label, v.links -> $2::int ->> 'url' AS url, v.utm
    FROM messages m
    JOIN template_versions v ON v.template_key = m.template_key AND v.version = m.template_version
    WHERE m.message_id = $1 AND v.links -> $2::int IS NOT NULL
    FOR KEY SHARE OF m -- an erasure in between would leave the click behind
),
first_click AS (
    INSERT INTO message_clicks (message_id, link_index, clicked_at)
    SELECT message_id, $2::int, $3::timestamptz FROM target
    ON CONFLICT DO NOTHING
    RETURNING message_id
),
noted AS (
    UPDATE messages m SET clicked_at = $3
    FROM first_click f
    WHERE m.message_id = f.message_id AND m.clicked_at IS NULL
)
SELECT target.*, EXISTS (SELECT FROM first_click) AS first FROM target
