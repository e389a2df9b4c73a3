-- A later leg was seen by its network: the public word stays, the timeline gets a line.
--
-- The caller has locked the payouts in a statement before this one. Locked in this one,
-- its snapshot would be older than the wait for the lock, and NOT EXISTS would not see the
-- line that the other worker has written meanwhile.
WITH asked AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(networks)s::text[], %(references)s::text[],
        %(estimates)s::timestamptz[], %(dues)s::float8[]
    ) AS t(id, network, reference, estimate, due_seconds)
),
moved AS (
    UPDATE payouts_payout p SET
        steps = p.steps + 1,
        estimated_delivery_at = coalesce(asked.estimate, p.estimated_delivery_at),
        due_at = clock_timestamp() + make_interval(secs => asked.due_seconds)
    FROM asked
    WHERE p.id = asked.id AND p.status = 'broadcast' AND NOT EXISTS (
        SELECT FROM payouts_payoutevent e
        WHERE e.payout_id = p.id AND e.reference = asked.reference
    )
    RETURNING p.id, p.steps, asked.network, asked.reference
)
INSERT INTO payouts_payoutevent (payout_id, number, status, network, reference, happened_at)
SELECT id, steps, 'broadcast', network, reference, clock_timestamp() FROM moved
