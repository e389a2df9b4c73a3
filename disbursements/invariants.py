"""What must be true between batches and the books. Each is a query that returns no rows."""

from __future__ import annotations

from engine.ledger.invariants import Invariant

INVARIANTS = (
    Invariant(
        name="batches_hold_what_their_rows_still_need",
        says="What an open batch has set aside and its rows were given is what it began with.",
        # A row that was brought back from a journal is not noted yet, but has its money.
        # What such a payout cost once and what it costs now may differ: that is its rest.
        sql="""
            SELECT b.id AS batch_id, f.currency, a.balance, r.units AS begun_with,
                   noted.units AS noted, coalesce(beside.units, 0) AS beside
            FROM disbursements_batch b
            JOIN payouts_floatreserve r ON r.batch_id = b.id
            JOIN payouts_partnerfloat f ON f.id = r.float_id
            JOIN ledger_account a ON a.id = r.account_id
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(w.units), 0) AS units FROM disbursements_batchrow w
                WHERE w.batch_id = b.id AND w.currency = f.currency AND w.is_from_reserve
            ) noted
            CROSS JOIN LATERAL (
                SELECT sum(CASE m.debit_id WHEN r.account_id THEN m.units ELSE -m.units END)
                    AS units
                FROM ledger_movement m
                WHERE r.account_id IN (m.debit_id, m.credit_id) AND (
                    m.reference LIKE '%:rest'
                    OR substring(m.reference FROM ':([0-9]+)$')::integer >= b.made_payouts
                )
            ) beside
            WHERE b.status = 'PROCESSING'
              AND a.balance + noted.units + coalesce(beside.units, 0) <> r.units
        """,
    ),
    Invariant(
        name="finished_batches_hold_nothing",
        says="What a batch set aside has gone to its rows, or back to the float.",
        sql="""
            SELECT r.batch_id, r.account_id, a.balance
            FROM payouts_floatreserve r
            JOIN ledger_account a ON a.id = r.account_id
            LEFT JOIN disbursements_batch b ON b.id = r.batch_id
            WHERE a.balance <> 0 AND b.status IS DISTINCT FROM 'PROCESSING'
        """,
    ),
    Invariant(
        name="rows_of_batches_are_paid_once",
        says="A row's payout takes from the float what the row was given, and is no other's.",
        sql="""
            SELECT w.batch_id, w.line, w.payout_id
            FROM disbursements_batchrow w
            JOIN disbursements_batch b ON b.id = w.batch_id
            LEFT JOIN payouts_payout p ON p.id = w.payout_id
            WHERE w.payout_id IS NOT NULL AND (
                p.id IS NULL OR p.partner_id <> b.partner_id
                OR p.units_sent <> w.units OR p.asset <> w.currency
            )
            UNION ALL
            SELECT min(batch_id::text)::uuid, min(line), payout_id
            FROM disbursements_batchrow WHERE payout_id IS NOT NULL
            GROUP BY payout_id HAVING count(*) > 1
        """,
    ),
    Invariant(
        name="batches_note_every_row",
        says="A batch has noted as many rows as it says, and all of them when it is finished.",
        sql="""
            SELECT b.id AS batch_id, b.status, b.made_payouts, count(w.id) AS noted
            FROM disbursements_batch b
            LEFT JOIN disbursements_batchrow w ON w.batch_id = b.id
            GROUP BY b.id
            HAVING b.made_payouts <> count(w.id)
                OR (b.status <> 'PROCESSING' AND b.made_payouts <> b.total_payouts)
        """,
    ),
)
