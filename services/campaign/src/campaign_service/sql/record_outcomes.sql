-- The earliest of each thing that happened to a message; saying it again changes nothing.
INSERT INTO message_outcomes (message_id, customer_id, anchor_id, run_id, campaign_key,
                              sent_at, opened_at, clicked_at, failed_at, failure_reason)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[],
                     $6::timestamptz[], $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::text[])
    AS t (message_id, customer_id, anchor_id, run_id, campaign_key, sent_at, opened_at, clicked_at, failed_at, failure_reason)
ORDER BY t.message_id
ON CONFLICT (message_id) DO UPDATE SET
    sent_at = least(message_outcomes.sent_at, excluded.sent_at),
    opened_at = least(message_outcomes.opened_at, excluded.opened_at),
    clicked_at = least(message_outcomes.clicked_at, excluded.clicked_at),
    failed_at = least(message_outcomes.failed_at, excluded.failed_at),
    failure_reason = coalesce(message_outcomes.failure_reason, excluded.failure_reason)
