-- Delete locked customers' answers of a segment that counts no more; say who was a member. $1 segment, $2 customers
WITH gone AS (
    DELETE FROM segment_memberships m WHERE m.segment_id = $1::uuid AND m.customer_id = ANY($2::uuid[])
    RETURNING m.customer_id, m.is_member
)
SELECT g.customer_id, c.latest_anchor_id AS anchor_id FROM gone g JOIN customers c USING (customer_id) WHERE g.is_member
