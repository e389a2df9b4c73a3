-- A page of payouts, newest first, each with its quote's terms and its events as four
-- arrays: one statement whatever the number of rows.
SELECT r.id, r.status, r.failure_code, r.estimated_delivery_at,
       q.id, q.signature, q.asset, q.from_network, q.to_network, q.units_sent,
       q.units_received,
       q.network_fee_usd_micros + q.provider_fee_usd_micros + q.zopay_fee_usd_micros,
       q.estimated_seconds, r.created_at, r.rail,
       e.statuses, e.networks, e.refs, e.moments
FROM payouts_payout r
JOIN payouts_quote q ON q.id = r.quote_id
CROSS JOIN LATERAL (
    SELECT array_agg(status ORDER BY number) AS statuses,
           array_agg(network ORDER BY number) AS networks,
           array_agg(reference ORDER BY number) AS refs,
           array_agg(happened_at ORDER BY number) AS moments
    FROM payouts_payoutevent WHERE payout_id = r.id
) e
WHERE r.partner_id = %(partner_id)s AND r.livemode = %(livemode)s AND r.door = %(door)s
  /* and */
ORDER BY r.created_at DESC, r.id DESC
LIMIT %(limit)s
