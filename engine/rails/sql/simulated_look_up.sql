-- Asks the simulated outside world about a batch of references.
--
-- One row for each reference asked: what it says (unknown, seen, final, dead, or silent
-- when a fault strikes), how far it got from seen to its end (0 to 1), when it was seen,
-- when it expects to be final, when what it says came true, and why it failed.
--
-- The estimate is the one given at first until that has passed; then the true end, or
-- none while it is held.
WITH asked AS (
    SELECT reference, row_number() OVER (ORDER BY reference) AS place
    FROM (SELECT DISTINCT unnest(%(references)s::text[]) AS reference) r
),
fault AS (
    SELECT id, least(remaining, (SELECT count(*) FROM asked)) AS taken
    FROM rails_simulatedfault
    WHERE remaining > 0 AND kind = 'look_up_silent'
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
),
spent AS (
    UPDATE rails_simulatedfault f SET remaining = f.remaining - fault.taken
    FROM fault WHERE f.id = fault.id
),
answered AS (
    SELECT asked.reference, t.*, coalesce(t.final_at, t.fails_at) AS end_at,
        statement_timestamp() AS moment,
        CASE
            WHEN fault.id IS NOT NULL THEN 'silent'
            WHEN t.fails_at <= statement_timestamp() THEN 'dead'
            WHEN t.final_at <= statement_timestamp() THEN 'final'
            WHEN t.seen_at <= statement_timestamp() THEN 'seen'
            ELSE 'unknown'
        END AS said
    FROM asked
    LEFT JOIN fault ON asked.place <= fault.taken
    LEFT JOIN (
        SELECT reference AS taken_reference, seen_at, expected_at, final_at, fails_at,
               failure_code
        FROM rails_simulatedtransfer
    ) t ON t.taken_reference = asked.reference
)
SELECT reference, said,
    CASE WHEN said IN ('seen', 'dead') AND end_at > seen_at THEN least(1, greatest(0,
        extract(epoch FROM moment - seen_at) / extract(epoch FROM end_at - seen_at)
    ))::float8 ELSE 0 END AS progress,
    CASE WHEN said NOT IN ('unknown', 'silent') THEN seen_at END AS seen_at,
    CASE
        WHEN said = 'final' THEN final_at
        WHEN said <> 'seen' THEN NULL
        WHEN moment < expected_at THEN expected_at
        ELSE final_at
    END AS expected_at,
    CASE said WHEN 'seen' THEN seen_at WHEN 'final' THEN final_at
              WHEN 'dead' THEN fails_at END AS happened_at,
    CASE WHEN said = 'dead' THEN failure_code ELSE '' END AS failure_code
FROM answered
