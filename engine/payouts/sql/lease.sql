-- Takes due payouts for one worker: whoever else looks skips them, and if this worker
-- dies they are due again when the lease has run out.
--
-- statement_timestamp(), since the index on due_at cannot be searched for a moment that
-- may change from row to row: every sweep would read all that is on its way. A CTE is
-- run once; a subquery may be run again for each row, and take more than it was asked.
WITH due AS MATERIALIZED (
    SELECT id FROM payouts_payout
    WHERE due_at <= statement_timestamp()
    ORDER BY due_at LIMIT %(rows)s
    FOR UPDATE SKIP LOCKED
)
UPDATE payouts_payout p
SET due_at = statement_timestamp() + make_interval(secs => %(lease_seconds)s)
FROM due WHERE p.id = due.id
RETURNING p.id
