-- Hands a batch to the simulated outside world: one row for each reference, once.
--
-- The oldest fault that is left strikes the first `taken` sends of the batch. Inserted in
-- the order of their references, so that two workers with the same batch wait for each
-- other and never in a circle. A send on its way (`land_late`) is a row whose moment of
-- acceptance has yet to come.
WITH asked AS (
    SELECT s.*, row_number() OVER (ORDER BY s.reference) AS place
    FROM (
        SELECT DISTINCT ON (reference) *
        FROM json_to_recordset(%(sends)s::json) AS t(
            reference text, payout_id text, leg smallint, livemode boolean, network text,
            asset text, units numeric, destination text, fate text
        )
        ORDER BY reference
    ) s
),
fault AS (
    SELECT id, kind, seconds, least(remaining, (SELECT count(*) FROM asked)) AS taken
    FROM rails_simulatedfault
    WHERE remaining > 0 AND kind <> 'look_up_silent'
    ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED
),
spent AS (
    UPDATE rails_simulatedfault f SET remaining = f.remaining - fault.taken
    FROM fault WHERE f.id = fault.id
),
struck AS (
    SELECT asked.*, fault.kind AS fault,
           statement_timestamp() + CASE WHEN fault.kind = 'land_late'
               THEN make_interval(secs => fault.seconds) ELSE interval '0' END AS accepted_at
    FROM asked LEFT JOIN fault ON asked.place <= fault.taken
),
landed AS (
    INSERT INTO rails_simulatedtransfer (
        reference, payout_id, leg, livemode, network, asset, units, destination,
        accepted_at, seen_at, expected_at, final_at, fails_at, failure_code, is_held
    )
    SELECT reference, payout_id, leg, livemode, network, asset, units, destination,
        accepted_at,
        CASE WHEN fate <> 'refuse'
             THEN accepted_at + make_interval(secs => %(seen_seconds)s::float8) END,
        accepted_at + make_interval(secs => %(final_seconds)s::float8),
        CASE fate
            WHEN 'deliver' THEN accepted_at + make_interval(secs => %(final_seconds)s::float8)
            WHEN 'late' THEN accepted_at
                + make_interval(secs => %(final_seconds)s::float8 * %(late_times)s::int)
        END,
        CASE fate
            WHEN 'refuse' THEN accepted_at + make_interval(secs => %(seen_seconds)s::float8)
            WHEN 'revert' THEN accepted_at + make_interval(secs => %(final_seconds)s::float8)
        END,
        CASE fate
            WHEN 'refuse' THEN 'destination_rejected'
            WHEN 'revert' THEN 'transfer_reverted'
            ELSE ''
        END,
        fate = 'hold'
    FROM struck
    WHERE fault IS NULL OR fault IN ('drop_reply', 'land_late')
    ORDER BY reference
    -- What is there stays, but for what is still on its way and is now overtaken.
    ON CONFLICT (reference) DO UPDATE SET
        accepted_at = excluded.accepted_at, seen_at = excluded.seen_at,
        expected_at = excluded.expected_at, final_at = excluded.final_at,
        fails_at = excluded.fails_at
    WHERE rails_simulatedtransfer.accepted_at > excluded.accepted_at
    RETURNING reference
)
SELECT reference,
    CASE
        WHEN fault IS NULL OR fault = 'never_seen' THEN true
        WHEN fault = 'refuse' THEN false
    END AS accepted,
    CASE
        WHEN fault IS NULL AND landed.reference IS NULL THEN 'already taken'
        WHEN fault IS NULL OR fault = 'never_seen' THEN 'taken'
        WHEN fault = 'refuse' THEN 'refused'
        ELSE 'no answer'
    END AS said
FROM struck LEFT JOIN landed USING (reference)
