"""What must be true of payments and their money. Each is a query that returns no rows."""

from __future__ import annotations

from engine.ledger.invariants import Invariant

INVARIANTS = (
    Invariant(
        name="payments_hold_exactly_their_units",
        says="An open payment holds its units, its payout on its way the same or what they"
        " were changed into, and a final payment nothing.",
        # Over every account that is called a payment's, whatever payment that may be.
        sql="""
            WITH expected (account_id, units) AS (
                SELECT p.available_account_id, p.units FROM payments_payment p
                LEFT JOIN payouts_payout o ON o.id = p.payout_id AND o.finished_at IS NULL
                WHERE p.status = 'pending' AND o.id IS NULL
                UNION ALL
                SELECT o.held_account_id, o.units_sent FROM payments_payment p
                JOIN payouts_payout o ON o.id = p.payout_id AND o.finished_at IS NULL
                WHERE p.status = 'pending'
            ),
            actual (account_id, units) AS (
                SELECT id, balance FROM ledger_account
                WHERE code >= 'payment:' AND code < 'payment;' AND balance <> 0
            )
            SELECT account_id, a.units AS balance, e.units AS expected
            FROM expected e FULL JOIN actual a USING (account_id)
            WHERE a.units IS DISTINCT FROM e.units
        """,
    ),
    Invariant(
        name="payments_took_their_units_once",
        says="A payment has taken its units from its partner's float, and a failed one has"
        " brought the same back.",
        sql="""
            SELECT p.id AS payment_id, p.status, p.units, h.units AS taken, r.units AS returned
            FROM payments_payment p
            LEFT JOIN payouts_partnerfloat f ON f.partner_id = p.partner_id
                AND f.livemode = p.livemode AND f.currency = p.currency
            LEFT JOIN ledger_movement h
                ON h.reference = 'payment:' || replace(p.id::text, '-', '') || ':hold'
            LEFT JOIN ledger_movement r
                ON r.reference = 'payment:' || replace(p.id::text, '-', '') || ':return'
            WHERE (h.units, h.debit_id, h.credit_id) IS DISTINCT FROM
                  (p.units, f.available_account_id, p.available_account_id)
               OR (p.status = 'failed') <> (r.id IS NOT NULL)
               OR (r.id IS NOT NULL AND (r.units, r.debit_id, r.credit_id) IS DISTINCT FROM
                  (p.units, p.available_account_id, f.available_account_id))
        """,
    ),
    Invariant(
        name="payments_own_one_live_payout",
        says="A payment's payouts are its own, numbered, all of it, and all but the last one"
        " given up.",
        sql="""
            SELECT p.id AS payment_id, n.number, n.payout_id, o.status
            FROM payments_paymentpayout n
            JOIN payments_payment p ON p.id = n.payment_id
            JOIN payments_formsession s ON s.id = n.session_id
            LEFT JOIN payouts_payout o ON o.id = n.payout_id
            WHERE o.id IS NULL OR o.door <> 'payments' OR s.payment_id <> p.id
               OR s.used_at IS NULL OR s.quote_id <> o.quote_id
               OR (o.partner_id, o.livemode) IS DISTINCT FROM (p.partner_id, p.livemode)
               OR (n.payout_id IS NOT DISTINCT FROM p.payout_id) <> (n.number = (
                   SELECT max(number) FROM payments_paymentpayout WHERE payment_id = p.id))
               OR (n.payout_id IS DISTINCT FROM p.payout_id
                   AND o.status NOT IN ('failed', 'cancelled'))
            UNION ALL
            SELECT p.id, NULL, p.payout_id, NULL FROM payments_payment p
            WHERE p.payout_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM payments_paymentpayout n
                WHERE n.payment_id = p.id AND n.payout_id = p.payout_id
            )
            UNION ALL
            SELECT NULL, NULL, o.id, o.status FROM payouts_payout o
            WHERE o.door = 'payments' AND NOT EXISTS (
                SELECT FROM payments_paymentpayout n WHERE n.payout_id = o.id
            )
        """,
    ),
    Invariant(
        name="payments_follow_their_payouts",
        says="A payment has succeeded when its payout was delivered, and only then.",
        sql="""
            SELECT p.id AS payment_id, p.status, o.status AS payout_status
            FROM payments_payment p LEFT JOIN payouts_payout o ON o.id = p.payout_id
            WHERE (p.status = 'succeeded') <> coalesce(o.status = 'delivered', false)
               OR (p.status = 'failed' AND o.finished_at IS NULL AND o.id IS NOT NULL)
        """,
    ),
    Invariant(
        name="final_payments_were_announced_once",
        says="A final payment has one message, which says how it ended; an open one has none.",
        sql="""
            SELECT p.id AS payment_id, p.status, m.type
            FROM payments_payment p
            LEFT JOIN webhooks_message m
                ON m.reference = 'payment:' || replace(p.id::text, '-', '') || ':final'
            WHERE m.type IS DISTINCT FROM
                CASE WHEN p.status <> 'pending' THEN 'payment.' || p.status END
        """,
    ),
    Invariant(
        name="conversions_go_with_their_payouts",
        says="A conversion is booked, unit for unit, with its payout, and taken back with it.",
        sql="""
            SELECT c.id AS conversion_id, p.id AS payout_id, p.status
            FROM payouts_conversion c
            JOIN payouts_quote q ON q.id = c.quote_id
            LEFT JOIN payouts_payout p ON p.quote_id = q.id
            CROSS JOIN LATERAL (
                SELECT 'payout:' || replace(q.payout_id::text, '-', '') AS name
            ) n
            LEFT JOIN ledger_movement sold ON sold.reference = n.name || ':sold'
            LEFT JOIN ledger_movement bought ON bought.reference = n.name || ':bought'
            LEFT JOIN ledger_movement sold_back ON sold_back.reference = n.name || ':sold_back'
            LEFT JOIN ledger_movement bought_back
                ON bought_back.reference = n.name || ':bought_back'
            CROSS JOIN LATERAL (
                SELECT coalesce(p.status IN ('failed', 'cancelled'), false) AS is_undone
            ) u
            WHERE c.to_units <> q.units_sent OR c.to_asset <> q.asset
               OR (p.id IS NOT NULL) <> (sold.id IS NOT NULL)
               OR (p.id IS NOT NULL) <> (bought.id IS NOT NULL)
               OR u.is_undone <> (sold_back.id IS NOT NULL)
               OR u.is_undone <> (bought_back.id IS NOT NULL)
               OR (sold.units, sold.asset, sold.debit_id)
                   <> (c.from_units, c.from_asset, c.from_account_id)
               OR (bought.units, bought.asset, bought.credit_id)
                   <> (c.to_units, c.to_asset, q.available_account_id)
               OR (bought_back.units, bought_back.debit_id, bought_back.credit_id)
                   <> (sold.units, sold.credit_id, sold.debit_id)
               OR (sold_back.units, sold_back.debit_id, sold_back.credit_id)
                   <> (bought.units, bought.credit_id, bought.debit_id)
        """,
    ),
    Invariant(
        name="payment_guards_stand",
        says="The triggers that hold a payment to its terms exist and are always on.",
        sql="""
            SELECT wanted.name FROM unnest(ARRAY[
                'final_payment_never_changes', 'payment_terms_are_fixed',
                'payment_is_never_deleted', 'payments_are_never_emptied',
                'payment_payout_is_for_ever', 'payment_payouts_are_never_emptied',
                'form_session_is_used_once', 'payment_follows_its_payout'
            ]) AS wanted(name)
            LEFT JOIN pg_trigger t ON t.tgname = wanted.name AND t.tgenabled = 'A'
            WHERE t.oid IS NULL
        """,
    ),
)
