-- Moves payouts along one edge of their life, many at a time: lock in key order, look at
-- the locked rows, write state and event together. Rows that are no longer at a start of
-- that edge are left alone and not returned: another worker got there first.
--
-- A row of `asked` names a payout, the reference the outside knows the step by, the
-- failure, and the new estimate; NULL keeps the one that stands.
WITH asked AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(networks)s::text[], %(references)s::text[],
        %(failure_codes)s::text[], %(estimates)s::timestamptz[], %(dues)s::float8[],
        %(confirmations)s::integer[], %(needed)s::integer[], %(reviews)s::boolean[]
    ) AS t(id, network, reference, failure_code, estimate, due_seconds, confirmations, needed,
           needs_review)
),
locked AS (
    SELECT p.id FROM payouts_payout p
    WHERE p.id IN (SELECT id FROM asked) AND p.status = ANY(%(starts)s::text[])
    ORDER BY p.id FOR UPDATE
),
moved AS (
    UPDATE payouts_payout p SET
        status = %(end)s,
        steps = p.steps + 1,
        failure_code = asked.failure_code,
        needs_review = p.needs_review OR asked.needs_review,
        waiting_for = '',
        confirmations = asked.confirmations,
        confirmations_needed = asked.needed,
        estimated_delivery_at = coalesce(asked.estimate, p.estimated_delivery_at),
        finished_at = CASE WHEN %(is_final)s THEN clock_timestamp() END,
        due_at = CASE WHEN NOT %(is_final)s
                 THEN clock_timestamp() + make_interval(secs => asked.due_seconds) END
    FROM asked JOIN locked USING (id)
    WHERE p.id = asked.id
    RETURNING p.id, p.steps, p.asset, p.livemode, p.from_network, p.to_network,
              p.units_sent, p.units_received, p.available_account_id, p.held_account_id,
              p.door,
              asked.network, asked.reference
),
noted AS (
    INSERT INTO payouts_payoutevent (payout_id, number, status, network, reference, happened_at)
    SELECT id, steps, %(end)s, network, reference, clock_timestamp() FROM moved
)
SELECT id, asset, livemode, from_network, to_network, units_sent::text,
       units_received::text, available_account_id, held_account_id, door
FROM moved ORDER BY id
