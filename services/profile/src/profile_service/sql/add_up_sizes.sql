-- Add changes to sizes and days, each once: they go in the statement that adds them. $1 limit
WITH due AS (
    SELECT change_id FROM segment_size_changes ORDER BY change_id LIMIT $1::int FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM segment_size_changes c USING due WHERE c.change_id = due.change_id
    RETURNING c.segment_id, c.day, c.reason, c.entered, c.exited
), sizes AS (
    INSERT INTO segment_sizes AS s (segment_id, size)
    SELECT segment_id, sum(entered - exited) FROM gone GROUP BY segment_id ORDER BY segment_id
    ON CONFLICT (segment_id) DO UPDATE SET size = s.size + excluded.size
), days AS (
    INSERT INTO segment_days AS s (segment_id, day, reason, entered, exited)
    SELECT segment_id, day, reason, sum(entered), sum(exited) FROM gone GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
    ON CONFLICT (segment_id, day, reason) DO UPDATE SET
        entered = s.entered + excluded.entered, exited = s.exited + excluded.exited
)
SELECT count(*) FROM gone
