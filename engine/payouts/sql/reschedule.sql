-- No news, or news that changes no state: look again later, and say when it will arrive.
-- Locked in key order first: an UPDATE of many rows takes them in an order of its own, and
-- two workers with one batch would wait for each other in a circle.
WITH asked AS (
    SELECT * FROM unnest(
        %(ids)s::uuid[], %(estimates)s::timestamptz[], %(dues)s::float8[],
        %(reviews)s::boolean[], %(waiting)s::text[], %(confirmations)s::integer[],
        %(needed)s::integer[]
    ) AS t(id, estimate, due_seconds, needs_review, waiting_for, confirmations, needed)
),
locked AS (
    SELECT p.id FROM payouts_payout p
    WHERE p.id IN (SELECT id FROM asked) AND p.due_at IS NOT NULL
    ORDER BY p.id FOR NO KEY UPDATE
)
UPDATE payouts_payout p SET
    due_at = clock_timestamp() + make_interval(secs => asked.due_seconds),
    estimated_delivery_at = coalesce(asked.estimate, p.estimated_delivery_at),
    needs_review = p.needs_review OR asked.needs_review,
    waiting_for = asked.waiting_for,
    confirmations = asked.confirmations,
    confirmations_needed = asked.needed
FROM asked JOIN locked USING (id)
WHERE p.id = asked.id
