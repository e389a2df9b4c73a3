-- No news, or news that changes no state: look again later, and say when it will arrive.
UPDATE payouts_payout p SET
    due_at = clock_timestamp() + make_interval(secs => asked.due_seconds),
    estimated_delivery_at = coalesce(asked.estimate, p.estimated_delivery_at),
    needs_review = p.needs_review OR asked.needs_review
FROM unnest(
    %(ids)s::uuid[], %(estimates)s::timestamptz[], %(dues)s::float8[], %(reviews)s::boolean[]
) AS asked(id, estimate, due_seconds, needs_review)
WHERE p.id = asked.id AND p.due_at IS NOT NULL
