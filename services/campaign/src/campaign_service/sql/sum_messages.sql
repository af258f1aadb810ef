-- Customers, not messages: reached = at least one message went out and did not come back.
SELECT count(*) FILTER (WHERE reached) AS reached,
       count(*) FILTER (WHERE opened) AS opened,
       count(*) FILTER (WHERE clicked) AS clicked,
       count(*) FILTER (WHERE failed AND NOT reached) AS failed
FROM (
    SELECT bool_or(sent_at IS NOT NULL AND failed_at IS NULL) AS reached,
           bool_or(opened_at IS NOT NULL) AS opened,
           bool_or(clicked_at IS NOT NULL) AS clicked,
           bool_or(failed_at IS NOT NULL) AS failed
    FROM message_outcomes WHERE campaign_key = $1 GROUP BY customer_id
) AS customers
