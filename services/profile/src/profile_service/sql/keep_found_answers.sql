-- Keep what a backfill found about locked customers where it still holds, and say what changed; where the facts or the
-- time have changed since, say so. Customers in motion are concluded about when they have arrived; who is gone, is gone.
-- $1 segment, $2 customers, $3 now
WITH found AS MATERIALIZED (
    DELETE FROM backfill_answers a WHERE a.segment_id = $1::uuid AND a.customer_id = ANY($2::uuid[])
    RETURNING a.customer_id, a.is_member, a.valid_until, a.row_version
), present AS MATERIALIZED (
    SELECT f.customer_id, f.is_member, f.valid_until, c.latest_anchor_id AS anchor_id,
           COALESCE(k.is_member, false) AS was_member,
           c.xmin::text::bigint <> f.row_version OR f.valid_until <= $3::timestamptz IS TRUE AS is_stale
    FROM found f JOIN customers c USING (customer_id)
    LEFT JOIN segment_memberships k ON k.customer_id = f.customer_id AND k.segment_id = $1::uuid
    WHERE NOT EXISTS (SELECT FROM moving_customers m WHERE m.customer_id = f.customer_id)
), kept AS (
    INSERT INTO segment_memberships AS k (customer_id, segment_id, is_member, since, valid_until)
    SELECT customer_id, $1::uuid, is_member, $3::timestamptz, valid_until FROM present WHERE NOT is_stale
    ORDER BY customer_id
    ON CONFLICT (customer_id, segment_id) DO UPDATE SET
        is_member = excluded.is_member,
        since = CASE WHEN k.is_member = excluded.is_member THEN k.since ELSE excluded.since END,
        valid_until = excluded.valid_until
)
SELECT customer_id, anchor_id, is_member, is_stale FROM present WHERE is_stale OR is_member <> was_member
