"""What must be true between payouts and the books. Each is a query that returns no rows."""

from __future__ import annotations

from engine.ledger.invariants import Invariant

INVARIANTS = (
    Invariant(
        name="held_is_what_payouts_on_their_way_hold",
        says="Every held account is the sum of its payouts that are not final.",
        sql="""
            SELECT h.held_account_id AS account_id, a.balance, coalesce(p.units, 0) AS expected
            FROM (
                SELECT held_account_id FROM payouts_holding
                UNION ALL SELECT held_account_id FROM payouts_partnerfloat
            ) h
            JOIN ledger_account a ON a.id = h.held_account_id
            LEFT JOIN (
                SELECT held_account_id, sum(units_sent) AS units FROM payouts_payout
                WHERE finished_at IS NULL GROUP BY held_account_id
            ) p USING (held_account_id)
            WHERE a.balance <> coalesce(p.units, 0)
        """,
    ),
    Invariant(
        name="what_was_sent_is_what_arrives_and_the_fee",
        says="user_sends = recipient_gets + fee, in quotes and in their payouts alike.",
        sql="""
            SELECT q.id AS quote_id, p.id AS payout_id
            FROM payouts_quote q LEFT JOIN payouts_payout p ON p.quote_id = q.id
            WHERE q.units_sent <> q.units_received + q.units_fee
               OR p.units_sent <> q.units_sent OR p.units_received <> q.units_received
               OR p.destination <> q.destination OR p.asset <> q.asset
        """,
    ),
    Invariant(
        name="every_payout_held_its_funds_once",
        says="Each payout has one hold movement of what the user sends.",
        sql="""
            SELECT p.id AS payout_id FROM payouts_payout p
            LEFT JOIN ledger_movement m
                ON m.reference = 'payout:' || replace(p.id::text, '-', '') || ':hold'
            WHERE m.id IS NULL OR m.units <> p.units_sent
               OR m.debit_id <> p.available_account_id OR m.credit_id <> p.held_account_id
        """,
    ),
    Invariant(
        name="final_payouts_gave_up_their_hold_once",
        says="A delivered payout was settled, a given-up one released, and none both.",
        sql="""
            SELECT p.id AS payout_id, p.status
            FROM payouts_payout p
            LEFT JOIN ledger_movement s
                ON s.reference = 'payout:' || replace(p.id::text, '-', '') || ':settle'
            LEFT JOIN ledger_movement r
                ON r.reference = 'payout:' || replace(p.id::text, '-', '') || ':release'
            WHERE (p.status = 'delivered') <> (s.id IS NOT NULL)
               OR (p.status IN ('failed', 'cancelled')) <> (r.id IS NOT NULL)
               OR s.units <> p.units_received OR r.units <> p.units_sent
        """,
    ),
    Invariant(
        name="delivered_payouts_have_a_finished_attempt",
        says="Nothing is called delivered that no rail was seen to deliver.",
        sql="""
            SELECT p.id AS payout_id FROM payouts_payout p
            WHERE p.status = 'delivered' AND NOT EXISTS (
                SELECT FROM rails_attempt a
                WHERE a.payout_id = p.id AND a.leg = p.leg AND a.state = 'done'
            )
        """,
    ),
    Invariant(
        name="failed_payouts_have_no_live_attempt",
        says="Funds are never released while a send may still arrive.",
        sql="""
            SELECT p.id AS payout_id, a.id AS attempt_id
            FROM payouts_payout p JOIN rails_attempt a ON a.payout_id = p.id
            WHERE p.finished_at IS NOT NULL AND a.state = 'live'
               OR p.status IN ('failed', 'cancelled') AND a.state = 'done' AND a.leg = p.leg
        """,
    ),
    Invariant(
        name="events_tell_the_whole_life",
        says="A payout's events are numbered without gaps and end in its state.",
        sql="""
            SELECT p.id AS payout_id, p.steps, e.total
            FROM payouts_payout p
            LEFT JOIN (
                SELECT payout_id, count(*) AS total, max(number) AS highest
                FROM payouts_payoutevent GROUP BY payout_id
            ) e ON e.payout_id = p.id
            LEFT JOIN payouts_payoutevent final
                ON final.payout_id = p.id AND final.number = p.steps
            WHERE e.total IS DISTINCT FROM p.steps OR e.highest IS DISTINCT FROM p.steps
               OR final.status IS DISTINCT FROM p.status
        """,
    ),
    Invariant(
        name="deposits_were_credited_once",
        says="Every confirmed deposit has one movement of its amount.",
        sql="""
            SELECT d.id AS deposit_id FROM payouts_deposit d
            LEFT JOIN ledger_movement m
                ON m.reference = 'deposit:' || replace(d.id::text, '-', '')
            WHERE (d.status = 'confirmed') <> (m.id IS NOT NULL) OR m.units <> d.units
        """,
    ),
    Invariant(
        name="bridges_hold_what_is_on_its_way",
        says="in_transit is what went out over bridges and has not come in or back.",
        sql="""
            SELECT t.id AS account_id, ledger_balance_of(t.id) AS balance,
                   -coalesce(sum(p.units_received), 0) AS expected
            FROM ledger_account t
            LEFT JOIN payouts_payout p
                ON p.asset = t.asset AND p.livemode = t.livemode AND p.leg = 2
               AND p.finished_at IS NULL
            WHERE t.code = 'in_transit'
            GROUP BY t.id
            HAVING ledger_balance_of(t.id) <> -coalesce(sum(p.units_received), 0)
        """,
    ),
    Invariant(
        name="guards_stand",
        says="The triggers that hold a payout to its life exist and are always on.",
        sql="""
            SELECT wanted.name FROM unnest(ARRAY[
                'quote_keeps_its_promise', 'payout_step_is_legal', 'payout_terms_are_fixed',
                'payout_is_never_deleted', 'payout_event_is_for_ever',
                'payouts_are_never_emptied', 'payout_events_are_never_emptied',
                'conversion_is_for_ever', 'conversions_are_never_emptied',
                'reserve_is_for_ever', 'reserves_are_never_emptied'
            ]) AS wanted(name)
            LEFT JOIN pg_trigger t ON t.tgname = wanted.name AND t.tgenabled = 'A'
            WHERE t.oid IS NULL
        """,
    ),
)
