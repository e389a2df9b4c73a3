-- The longest due delivery to a URL of its message's own that fits beside those in hand: so
-- many at one URL, so many at one host, so many of this partner's in all. The caller holds the
-- endpoint's row, so nobody else counts at this moment.
WITH in_hand AS (
    SELECT m.url, lower(split_part(m.url, '/', 3)) AS host
    FROM webhooks_delivery d JOIN webhooks_message m ON m.id = d.message_id
    WHERE d.endpoint_id = %(endpoint)s AND d.leased_until > statement_timestamp()
), taken AS (
    UPDATE webhooks_delivery d
    SET leased_until = clock_timestamp() + make_interval(secs => %(lease_seconds)s)
    WHERE d.id = (
        SELECT w.id
        FROM webhooks_delivery w JOIN webhooks_message m ON m.id = w.message_id
        WHERE w.endpoint_id = %(endpoint)s AND w.due_at <= statement_timestamp()
          AND (w.leased_until IS NULL OR w.leased_until <= statement_timestamp())
          AND (SELECT count(*) FROM in_hand) < %(in_all)s
          AND m.url <> ALL (ARRAY(
              SELECT url FROM in_hand GROUP BY url HAVING count(*) >= %(per_url)s
          ))
          AND lower(split_part(m.url, '/', 3)) <> ALL (ARRAY(
              SELECT host FROM in_hand GROUP BY host HAVING count(*) >= %(per_host)s
          ))
        ORDER BY w.due_at, w.id LIMIT 1
        FOR UPDATE OF w SKIP LOCKED
    )
    RETURNING d.id, d.tries, d.is_replay, d.due_at, d.leased_until, d.message_id
)
SELECT t.id, t.tries, t.is_replay, t.due_at, t.leased_until, m.id, m.type, m.body,
       m.url, m.sealed_token
FROM taken t JOIN webhooks_message m ON m.id = t.message_id
