-- A later leg was seen by its network: the public word stays, the timeline gets a line.
WITH asked AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(networks)s::text[], %(references)s::text[],
        %(estimates)s::timestamptz[], %(dues)s::float8[]
    ) AS t(id, network, reference, estimate, due_seconds)
),
locked AS (
    SELECT p.id FROM payouts_payout p JOIN asked USING (id)
    WHERE p.status = 'broadcast' AND NOT EXISTS (
        SELECT FROM payouts_payoutevent e
        WHERE e.payout_id = p.id AND e.reference = asked.reference
    )
    ORDER BY p.id FOR UPDATE OF p
),
moved AS (
    UPDATE payouts_payout p SET
        steps = p.steps + 1,
        estimated_delivery_at = coalesce(asked.estimate, p.estimated_delivery_at),
        due_at = clock_timestamp() + make_interval(secs => asked.due_seconds)
    FROM asked JOIN locked USING (id)
    WHERE p.id = asked.id
    RETURNING p.id, p.steps, asked.network, asked.reference
)
INSERT INTO payouts_payoutevent (payout_id, number, status, network, reference, happened_at)
SELECT id, steps, 'broadcast', network, reference, clock_timestamp() FROM moved
