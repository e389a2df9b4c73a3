-- A leg has arrived: the payout goes on to its next one, at once. The leg is part of the
-- condition, so that a repeat moves nothing.
WITH moved AS (
    UPDATE payouts_payout p SET leg = p.leg + 1, due_at = clock_timestamp(),
        confirmations = 0, confirmations_needed = 0
    WHERE p.id IN (
        SELECT id FROM payouts_payout
        WHERE id = ANY(%(ids)s::uuid[]) AND status = 'broadcast' AND leg = 1
          AND from_network <> to_network
        ORDER BY id FOR UPDATE
    )
    RETURNING p.*
)
SELECT id, asset, livemode, from_network, to_network, units_sent::text,
       units_received::text, available_account_id, held_account_id, door
FROM moved ORDER BY id
