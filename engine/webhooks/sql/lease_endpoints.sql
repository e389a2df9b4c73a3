-- Takes endpoints with something due for one worker. The condition on the lease stands in
-- the UPDATE itself too, so that a worker who waited for another looks again.
UPDATE webhooks_endpoint e
SET leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
WHERE e.id IN (
    SELECT id FROM webhooks_endpoint w
    WHERE w.state = 'enabled'
      AND (w.paused_until IS NULL OR w.paused_until <= statement_timestamp())
      AND (w.leased_until IS NULL OR w.leased_until <= statement_timestamp())
      AND EXISTS (
          SELECT FROM webhooks_delivery d
          WHERE d.endpoint_id = w.id AND d.due_at <= statement_timestamp()
            AND (d.leased_until IS NULL OR d.leased_until <= statement_timestamp())
      )
    ORDER BY w.leased_until NULLS FIRST, w.id
    LIMIT %(count)s
    FOR UPDATE SKIP LOCKED
)
AND (e.leased_until IS NULL OR e.leased_until <= statement_timestamp())
RETURNING e.id, e.leased_until, e.url = ''
