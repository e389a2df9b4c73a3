-- Deposits and payouts in one list, newest first. Each half is cut to a page by its own
-- index before the two are merged.
(
    SELECT 'deposit' AS kind, r.id, r.created_at, r.status, u.external_ref, r.asset,
           r.network, r.units, r.confirmed_at AS ended_at, r.reference,
           r.network AS seen_on, '' AS to_network, '' AS destination, '' AS failure_code,
           '' AS rail
    FROM payouts_deposit r JOIN partners_enduser u ON u.id = r.end_user_id
    WHERE r.partner_id = %(partner_id)s AND r.livemode = %(livemode)s
      AND r.status = ANY(%(deposit_statuses)s::text[])
      /* and */
    ORDER BY r.created_at DESC, r.id DESC
    LIMIT %(limit)s
)
UNION ALL
(
    SELECT 'payout', r.id, r.created_at, r.status, u.external_ref, r.asset,
           r.from_network, r.units_sent, r.finished_at,
           coalesce(last.reference, ''), coalesce(last.network, ''), r.to_network,
           r.destination, r.failure_code, r.rail
    FROM payouts_payout r JOIN partners_enduser u ON u.id = r.end_user_id
    LEFT JOIN LATERAL (
        SELECT e.reference, e.network FROM payouts_payoutevent e
        WHERE e.payout_id = r.id AND e.reference <> ''
        ORDER BY e.number DESC LIMIT 1
    ) last ON true
    WHERE r.partner_id = %(partner_id)s AND r.livemode = %(livemode)s
      AND r.door = %(door)s AND r.status = ANY(%(payout_statuses)s::text[])
      /* and */
    ORDER BY r.created_at DESC, r.id DESC
    LIMIT %(limit)s
)
ORDER BY created_at DESC, id DESC
LIMIT %(limit)s
