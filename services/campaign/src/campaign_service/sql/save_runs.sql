UPDATE runs r
SET step = t.step, visit = t.visit, status = t.status, arm = t.arm, wake_at = t.wake_at, ended_at = t.ended_at, outcome = t.outcome
FROM unnest($1::uuid[], $2::text[], $3::int[], $4::text[], $5::text[], $6::timestamptz[], $7::timestamptz[], $8::text[])
    AS t (run_id, step, visit, status, arm, wake_at, ended_at, outcome)
WHERE r.run_id = t.run_id
