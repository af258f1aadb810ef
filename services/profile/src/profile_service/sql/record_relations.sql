-- Keep what was said of related persons, once for each event.
-- $1 customers, $2 relations, $3 events, $4 anchors, $5 sources, $6 moments, $7 withdrawals, $8 purposes, $9 relations,
-- $10 occasions, $11 months, $12 days, $13 years, $14 ends
INSERT INTO relation_statements (customer_id, relation_id, event_id, anchor_id, source_id, given_at, is_withdrawal,
                                 purpose, relation, occasion, month, day, year, ends_at)
SELECT *
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::timestamptz[], $7::boolean[], $8::text[],
            $9::text[], $10::text[], $11::smallint[], $12::smallint[], $13::smallint[], $14::timestamptz[])
ORDER BY 1, 2, 3
ON CONFLICT DO NOTHING
