-- Keep the next chunk of what a backfill found, for customers who have no answer yet; say which others are to be looked at.
-- The chunk's customers are locked in order. Those in motion are concluded about when they have arrived; who is gone, is
-- gone. What the snapshot of this statement does not show is not trusted: a row that came while a lock was waited for is
-- met by the insert, a customer written meanwhile is not older than the look.
-- $1 segment, $2 now, $3 beginning of the facts' ids, $4 end of each fact, $5 traceparent, $6 type of the facts,
-- $7 whether those who enter are to be named
WITH chunk AS (
    DELETE FROM backfill_answers WHERE segment_id = $1::uuid AND number = (
        SELECT min(number) FROM backfill_answers WHERE segment_id = $1::uuid
    ) RETURNING seen_before, customer_ids, are_members, valid_until
), present AS MATERIALIZED (
    SELECT f.customer_id, f.is_member, f.valid_until, c.anchor_id,
           age(c.version) <= chunk.age OR f.valid_until <= $2::timestamptz IS TRUE AS is_stale,
           -- no join: nothing here may change the order in which the customers are locked
           EXISTS (SELECT FROM moving_customers m WHERE m.customer_id = f.customer_id) AS is_moving
    FROM (SELECT *, age(seen_before::text::xid8::xid) AS age FROM chunk) AS chunk
    CROSS JOIN LATERAL unnest(customer_ids, are_members, chunk.valid_until) AS f (customer_id, is_member, valid_until)
    CROSS JOIN LATERAL (
        SELECT c.latest_anchor_id AS anchor_id, c.xmin AS version FROM customers c
        WHERE c.customer_id = f.customer_id FOR UPDATE
    ) AS c
), kept AS (
    INSERT INTO segment_memberships (customer_id, segment_id, is_member, since, valid_until)
    SELECT customer_id, $1::uuid, is_member, $2::timestamptz, valid_until FROM present WHERE NOT is_stale AND NOT is_moving
    ON CONFLICT DO NOTHING
    RETURNING customer_id, is_member
), compared AS MATERIALIZED (
    SELECT s.customer_id, s.anchor_id, s.is_member, s.valid_until, s.is_stale, k.customer_id IS NOT NULL AS is_kept
    FROM present s LEFT JOIN kept k USING (customer_id) WHERE NOT is_moving
), facts AS (
    SELECT $6::text AS type, customer_id, anchor_id, row_number() OVER () AS number FROM compared WHERE is_kept AND is_member
), told AS (
    /* insert of facts */
)
SELECT (SELECT cardinality(customer_ids) FROM chunk) AS size,
       count(*) FILTER (WHERE is_kept AND is_member) AS entered,
       array_agg(customer_id) FILTER (WHERE is_kept AND is_member AND $7::boolean) AS customers,
       array_agg(anchor_id) FILTER (WHERE is_kept AND is_member AND $7::boolean) AS anchors,
       array_agg(customer_id) FILTER (WHERE is_stale) AS stale,
       array_agg(customer_id) FILTER (WHERE NOT is_kept AND NOT is_stale) AS known,
       array_agg(is_member) FILTER (WHERE NOT is_kept AND NOT is_stale) AS known_are_members,
       array_agg(valid_until) FILTER (WHERE NOT is_kept AND NOT is_stale) AS known_valid_until
FROM compared
