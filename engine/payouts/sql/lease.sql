-- Takes due payouts for one worker: whoever else looks skips them, and if this worker
-- dies they are due again when the lease has run out.
UPDATE payouts_payout p
SET due_at = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE p.id IN (
    SELECT id FROM payouts_payout
    WHERE due_at <= clock_timestamp()
    ORDER BY due_at LIMIT %(rows)s
    FOR UPDATE SKIP LOCKED
)
RETURNING p.id
