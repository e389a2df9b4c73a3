-- The longest due delivery of an endpoint that nobody has in hand, with what to send. The
-- statement's time is one value, so the index stops at it; clock_timestamp() would have every
-- delivery that waits for its next attempt read.
WITH taken AS (
    UPDATE webhooks_delivery d
    SET leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
    WHERE d.id = (
        SELECT id FROM webhooks_delivery
        WHERE endpoint_id = %(endpoint)s AND due_at <= statement_timestamp()
          AND (leased_until IS NULL OR leased_until <= statement_timestamp())
        ORDER BY due_at, id LIMIT 1
        FOR UPDATE SKIP LOCKED
    )
    RETURNING d.id, d.tries, d.is_replay, d.due_at, d.leased_until, d.message_id
)
SELECT t.id, t.tries, t.is_replay, t.due_at, t.leased_until, m.id, m.type, m.body,
       m.url, m.sealed_token
FROM taken t JOIN webhooks_message m ON m.id = t.message_id
