-- A reading that a later one overtook changes nothing. $7: our lease; who made the assignment due again meanwhile wants
-- a newer reading than ours, and gets it.
UPDATE assignments a
SET purchases = t.purchases, revenue = t.revenue, read_at = $2,
    due_at = CASE WHEN a.due_at = $7 THEN t.due_at ELSE a.due_at END
FROM unnest($3::uuid[], $4::int[], $5::numeric[], $6::timestamptz[]) AS t (anchor_id, purchases, revenue, due_at)
WHERE a.campaign_key = $1 AND a.anchor_id = t.anchor_id AND (a.read_at IS NULL OR a.read_at <= $2)
