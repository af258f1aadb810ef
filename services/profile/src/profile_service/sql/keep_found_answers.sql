-- Keep answers that a backfill found about locked customers who have an answer already, and say whose membership changed.
-- $1 segment, $2 customers, $3 whether they are members, $4 valid until, $5 now
WITH found AS MATERIALIZED (
    SELECT f.customer_id, f.is_member, f.valid_until, c.latest_anchor_id AS anchor_id,
           COALESCE(k.is_member, false) AS was_member
    FROM unnest($2::uuid[], $3::boolean[], $4::timestamptz[]) AS f (customer_id, is_member, valid_until)
    JOIN customers c USING (customer_id)
    LEFT JOIN segment_memberships k ON k.customer_id = f.customer_id AND k.segment_id = $1::uuid
), kept AS (
    INSERT INTO segment_memberships AS k (customer_id, segment_id, is_member, since, valid_until)
    SELECT customer_id, $1::uuid, is_member, $5::timestamptz, valid_until FROM found
    ORDER BY customer_id
    ON CONFLICT (customer_id, segment_id) DO UPDATE SET
        is_member = excluded.is_member,
        since = CASE WHEN k.is_member = excluded.is_member THEN k.since ELSE excluded.since END,
        valid_until = excluded.valid_until
)
SELECT customer_id, anchor_id, is_member FROM found WHERE is_member <> was_member
