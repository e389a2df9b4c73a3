-- What has to be written down of live sends that no rail was handed yet, as JSON. Test
-- payouts go nowhere outside this database, so nothing of them can outlive it.
--
-- The user's account numbers mean nothing to an older database, so her name goes along.
SELECT a.id, a.rail, a.network, a.reference, a.payload, p.id, p.door, jsonb_build_object(
    'quote', to_jsonb(q),
    'payout', to_jsonb(p),
    'external_ref', u.external_ref,
    'attempt', jsonb_build_object(
        'leg', a.leg, 'number', a.number, 'rail', a.rail, 'network', a.network,
        'reference', a.reference, 'created_at', a.created_at
    )
)::text
FROM rails_attempt a
JOIN payouts_payout p ON p.id = a.payout_id
JOIN payouts_quote q ON q.id = p.quote_id
LEFT JOIN partners_enduser u ON u.id = p.end_user_id
WHERE a.id = ANY(%s::bigint[]) AND p.livemode AND NOT EXISTS (
    SELECT FROM rails_sendevidence e WHERE e.attempt_id = a.id AND e.kind = 'submit'
)
ORDER BY a.id
