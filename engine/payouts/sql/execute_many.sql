-- Many executes in one commit: most of them by a few statements for all, the rest one by one.
--
-- Every lock is taken first and in one order, quotes by id and then accounts by id, so that
-- two batches which meet wait for each other once. Then whatever nothing stands against is
-- written together; all others go through payouts_execute(), in the order in which they were
-- asked for, and have its refusals: there is no second copy of any rule. A naive statement
-- for all would burn the quote of whoever fails the check of the balance.
--
-- `place` counts from 1, as the arrays do; every one has exactly one row.
CREATE OR REPLACE FUNCTION payouts_execute_many(
    p_quotes uuid[], p_signatures text[], p_partner uuid, p_livemode boolean,
    p_rails jsonb, p_door text
) RETURNS TABLE (
    place integer, outcome text, answer_status integer, answer bytea, payout uuid
) LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz;
    v_counts_days boolean;
    v_taken integer[] := '{}';
    v_quotes uuid[];
    v_chosen text[];
    v_names text[];
    v_debits bigint[];
    v_credits bigint[];
    v_units numeric[];
BEGIN
    PERFORM FROM payouts_quote WHERE id = ANY (p_quotes) ORDER BY id FOR UPDATE;
    v_counts_days := p_livemode AND EXISTS (
        SELECT FROM payouts_limit l
        WHERE (l.partner_id IS NULL OR l.partner_id = p_partner)
          AND l.day_usd_micros_max IS NOT NULL
    );
    IF v_counts_days THEN
        PERFORM payouts_lock_day(p_partner);
    END IF;
    -- Only the caller's own: who guesses at quotes locks nobody else's accounts.
    PERFORM FROM ledger_account
    WHERE id IN (
        SELECT unnest(ARRAY[q.available_account_id, q.held_account_id])
        FROM unnest(p_quotes, p_signatures) AS t (id, signature)
        JOIN payouts_quote q ON q.id = t.id
        WHERE payouts_stranger(q, t.signature, p_partner, p_livemode, p_door) IS NULL
    )
    ORDER BY id FOR UPDATE;
    v_now := clock_timestamp();

    -- Where a day's sum is counted, each depends on the one before.
    IF NOT v_counts_days THEN
        SELECT array_agg(c.place), array_agg(c.id), array_agg(c.rail),
               array_agg(payouts_hold(c.payout_id)), array_agg(c.available_account_id),
               array_agg(c.held_account_id), array_agg(c.units_sent::numeric)
        INTO v_taken, v_quotes, v_chosen, v_names, v_debits, v_credits, v_units
        FROM (
            SELECT one.place, (one.q).*, payouts_rail(one.q, p_rails) AS rail,
                   sum((one.q).units_sent) OVER (
                       PARTITION BY (one.q).available_account_id ORDER BY one.place
                   ) AS units_so_far
            FROM (
                -- Of a quote that is named twice only the first may be executed.
                SELECT DISTINCT ON (t.id) t.place::integer AS place, q
                FROM unnest(p_quotes, p_signatures) WITH ORDINALITY AS t (id, signature, place)
                JOIN payouts_quote q ON q.id = t.id
                WHERE payouts_stranger(q, t.signature, p_partner, p_livemode, p_door) IS NULL
                  AND payouts_spent(q, v_now) IS NULL
                ORDER BY t.id, t.place
            ) one
            WHERE payouts_objection(one.q) IS NULL
        ) c
        JOIN ledger_account a ON a.id = c.available_account_id
        WHERE c.rail IS NOT NULL AND c.units_so_far <= a.balance;
    END IF;

    IF cardinality(v_taken) > 0 THEN
        PERFORM payouts_open(v_quotes, v_chosen, v_now);
        PERFORM ledger_move_many(v_names, v_debits, v_credits, v_units);
    END IF;
    RETURN QUERY
        SELECT t.place, 'executed', 201,
               payouts_answer(q.answer, payouts_promise(q, v_now)), q.payout_id
        FROM unnest(v_taken, v_quotes) AS t (place, id) JOIN payouts_quote q ON q.id = t.id;
    FOR place IN
        SELECT n FROM generate_subscripts(p_quotes, 1) AS n
        WHERE n <> ALL (coalesce(v_taken, '{}')) ORDER BY n
    LOOP
        SELECT e.outcome, e.answer_status, e.answer, e.payout
        INTO outcome, answer_status, answer, payout
        FROM payouts_execute(
            p_quotes[place], p_signatures[place], p_partner, p_livemode,
            NULL, '', interval '0', p_rails, p_door
        ) e;
        RETURN NEXT;
    END LOOP;
END $$;
