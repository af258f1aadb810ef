-- For each moment: the customers known before it, those of them who may have shown the sign in the time, and of the rest
-- those whose outcome came within the horizon. {outcome} selects customer_id and moment, its parameters from $5.
-- $1 sign, $2 moments (ascending), $3 horizon, $4 the sign's lifetime
-- Of a customer it is the places of moments that are compared, as ranges: what happened at x speaks of the moments from
-- x - horizon on (a detection until x + lifetime, an outcome until x). So everybody is gone over once, not once a day.
-- Moments before x are those up to x less a microsecond, the shortest time there is.
WITH period AS (
    SELECT $2::timestamptz[] AS moments, interval '1 microsecond' AS instant,
           ($2::timestamptz[])[1] AS first, ($2::timestamptz[])[cardinality($2::timestamptz[])] AS last
), shown AS (
    SELECT d.customer_id, range_agg(int4range(
               width_bucket(d.detected_at - $3::interval - p.instant, p.moments) + 1,
               width_bucket(d.detected_at + $4::interval - p.instant, p.moments) + 1)) AS places
    FROM sign_detections d CROSS JOIN period p
    WHERE d.sign_id = $1 AND d.detected_at > p.first - $4::interval AND d.detected_at <= p.last + $3::interval
    GROUP BY d.customer_id
), happened AS (
    SELECT o.customer_id, range_agg(int4range(
               width_bucket(o.moment - $3::interval - p.instant, p.moments) + 1,
               width_bucket(o.moment - p.instant, p.moments) + 1)) AS places
    FROM ({outcome}) AS o CROSS JOIN period p
    WHERE o.moment > p.first AND o.moment <= p.last + $3::interval
    GROUP BY o.customer_id
), compared AS MATERIALIZED (
    SELECT COALESCE(s.places, '{}') * k.places AS showing,
           (COALESCE(h.places, '{}') - COALESCE(s.places, '{}')) * k.places AS followed
    FROM happened h FULL JOIN shown s USING (customer_id) JOIN customers c USING (customer_id) CROSS JOIN period p
    CROSS JOIN LATERAL (
        SELECT int4multirange(int4range(width_bucket(c.first_event_at, p.moments) + 1, NULL)) AS places
    ) AS k
), changes AS ( -- how many more there are from a place on
    SELECT place, sum(known)::bigint AS known, sum(showing)::bigint AS showing, sum(followed)::bigint AS followed
    FROM (
        SELECT width_bucket(c.first_event_at, p.moments) + 1 AS place, count(*) AS known, 0 AS showing, 0 AS followed
        FROM customers c CROSS JOIN period p GROUP BY 1
        UNION ALL SELECT lower(r), 0, 1, 0 FROM compared CROSS JOIN unnest(compared.showing) AS r
        UNION ALL SELECT upper(r), 0, -1, 0 FROM compared CROSS JOIN unnest(compared.showing) AS r
        UNION ALL SELECT lower(r), 0, 0, 1 FROM compared CROSS JOIN unnest(compared.followed) AS r
        UNION ALL SELECT upper(r), 0, 0, -1 FROM compared CROSS JOIN unnest(compared.followed) AS r
    ) AS each
    GROUP BY place
)
SELECT t.position, COALESCE(sum(c.known), 0)::bigint AS customers, COALESCE(sum(c.showing), 0)::bigint AS showing,
       COALESCE(sum(c.followed), 0)::bigint AS followed
FROM generate_series(1, cardinality($2::timestamptz[])) AS t (position) LEFT JOIN changes c ON c.place <= t.position
GROUP BY t.position
ORDER BY t.position
