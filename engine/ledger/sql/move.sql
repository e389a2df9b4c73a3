-- The only writers of the books: ledger_open_account, ledger_move, ledger_move_many.
-- ledger_balance_of and ledger_cover_hot_debit serve them.
--
-- All of it is CREATE OR REPLACE and PL/pgSQL, whose statements are planned once per
-- connection and whose bodies are not looked up in the schema until they run. No function
-- has a SET clause: each call would pay for it.

-- The balance of an account as of now: for a hot account the tail is added, the movements
-- that no roll-up has seen yet.
CREATE OR REPLACE FUNCTION ledger_balance_of(p_account bigint) RETURNS numeric
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (
        SELECT account.balance + CASE WHEN account.is_hot THEN (
            SELECT coalesce(sum(CASE WHEN movement.credit_id = account.id
                                     THEN movement.units ELSE -movement.units END), 0)
            FROM ledger_movement movement
            WHERE movement.id > account.rolled_up_through
              AND account.id IN (movement.debit_id, movement.credit_id)
        ) ELSE 0 END
        FROM ledger_account account
        WHERE account.id = p_account
    );
END $$;

-- Refuses to take p_units from a hot account that may not go negative and does not have
-- them. The row's lock keeps two such debits apart; credits, which come all the time, do
-- not wait for it. The balance is read in a statement of its own, after the lock, so that
-- it contains the debit we may have waited for. Writing the row, not only locking it,
-- makes a REPEATABLE READ caller, whose snapshot is older, fail instead of overdraw.
CREATE OR REPLACE FUNCTION ledger_cover_hot_debit(p_account bigint, p_units numeric)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    UPDATE ledger_account SET balance = balance WHERE id = p_account;
    IF ledger_balance_of(p_account) < p_units THEN
        RAISE EXCEPTION 'account % cannot cover %', p_account, p_units
            USING ERRCODE = 'check_violation',
                  CONSTRAINT = 'account_is_not_overdrawn',
                  TABLE = 'ledger_account';
    END IF;
END $$;

-- The id of an account, which is opened if need be. Asking again writes nothing.
CREATE OR REPLACE FUNCTION ledger_open_account(
    p_code text, p_asset text, p_livemode boolean,
    p_may_go_negative boolean, p_is_hot boolean
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_account ledger_account;
BEGIN
    SELECT * INTO v_account FROM ledger_account
    WHERE code = p_code AND asset = p_asset AND livemode = p_livemode;
    IF NOT FOUND THEN
        -- A hot account's tail begins here: no earlier movement can name it.
        INSERT INTO ledger_account
            (code, asset, livemode, may_go_negative, is_hot, rolled_up_through)
        VALUES
            (p_code, p_asset, p_livemode, p_may_go_negative, p_is_hot,
             CASE WHEN p_is_hot
                  THEN (SELECT coalesce(max(id), 0) FROM ledger_movement)
                  ELSE 0 END)
        ON CONFLICT DO NOTHING
        RETURNING * INTO v_account;
    END IF;
    IF NOT FOUND THEN
        -- Somebody opened it between our look and our insert, and has committed.
        SELECT * INTO STRICT v_account FROM ledger_account
        WHERE code = p_code AND asset = p_asset AND livemode = p_livemode;
    END IF;
    IF v_account.is_hot <> p_is_hot
       OR v_account.may_go_negative <> p_may_go_negative THEN
        RAISE EXCEPTION 'account % (%) is of another kind', p_code, p_asset
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN v_account.id;
END $$;

-- Moves p_units from one account to another and returns the movement's id.
--
-- An UPDATE locks the row, looks at its newest balance and writes, in one; the two run in
-- the order of the ids, so that movements in opposite directions cannot wait for each
-- other. A hot account is not written at all. Whatever is wrong (an overdraft, two assets,
-- a reference that exists) is refused by a constraint with a name.
CREATE OR REPLACE FUNCTION ledger_move(
    p_reference text, p_debit bigint, p_credit bigint, p_units numeric,
    p_corrects bigint DEFAULT NULL
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_asset text;
    v_livemode boolean;
    v_may_go_negative boolean;
    v_movement bigint;
BEGIN
    IF p_credit < p_debit THEN
        UPDATE ledger_account SET balance = balance + p_units
        WHERE id = p_credit AND NOT is_hot;
    END IF;
    UPDATE ledger_account SET balance = balance - p_units
    WHERE id = p_debit AND NOT is_hot
    RETURNING asset, livemode INTO v_asset, v_livemode;
    IF NOT FOUND THEN
        SELECT asset, livemode, may_go_negative
        INTO v_asset, v_livemode, v_may_go_negative
        FROM ledger_account WHERE id = p_debit;
    END IF;
    IF p_credit > p_debit THEN
        UPDATE ledger_account SET balance = balance + p_units
        WHERE id = p_credit AND NOT is_hot;
    END IF;
    IF NOT v_may_go_negative THEN
        -- Set for hot accounts only, which are locked after all others.
        PERFORM ledger_cover_hot_debit(p_debit, p_units);
    END IF;
    INSERT INTO ledger_movement
        (reference, debit_id, credit_id, asset, livemode, units, corrects_id)
    VALUES
        (p_reference, p_debit, p_credit, v_asset, v_livemode, p_units, p_corrects)
    RETURNING id INTO v_movement;
    RETURN v_movement;
END $$;

-- Moves many at once and returns how many: the n-th elements of the arrays are the n-th
-- movement. All of them or none. An account is judged by its balance after all of them.
-- A reference that exists already, here or in the table, is refused: whether something
-- was done before is for the caller to know, from its own state.
CREATE OR REPLACE FUNCTION ledger_move_many(
    p_references text[], p_debits bigint[], p_credits bigint[], p_units numeric[]
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_hot record;
    v_moved integer;
BEGIN
    -- First every lock, in the order of the ids: an UPDATE of many rows takes them in an
    -- order of its own. NO KEY is the lock that changing a balance takes.
    PERFORM FROM ledger_account
    WHERE id = ANY (p_debits || p_credits) AND NOT is_hot
    ORDER BY id FOR NO KEY UPDATE;

    UPDATE ledger_account account SET balance = account.balance + net.units
    FROM (
        SELECT change.account_id, sum(change.units) AS units
        FROM (
            SELECT debit_id, -units FROM unnest(p_debits, p_units) d (debit_id, units)
            UNION ALL
            SELECT credit_id, units FROM unnest(p_credits, p_units) c (credit_id, units)
        ) change (account_id, units)
        GROUP BY change.account_id
    ) net
    WHERE account.id = net.account_id AND NOT account.is_hot;

    FOR v_hot IN
        SELECT account.id, sum(d.units) AS units
        FROM unnest(p_debits, p_units) d (debit_id, units)
        JOIN ledger_account account ON account.id = d.debit_id
        WHERE account.is_hot AND NOT account.may_go_negative
        GROUP BY account.id ORDER BY account.id
    LOOP
        PERFORM ledger_cover_hot_debit(v_hot.id, v_hot.units);
    END LOOP;

    -- LEFT JOIN: an account that does not exist must be refused, not skipped.
    INSERT INTO ledger_movement (reference, debit_id, credit_id, asset, livemode, units)
    SELECT m.reference, m.debit_id, m.credit_id, debit.asset, debit.livemode, m.units
    FROM unnest(p_references, p_debits, p_credits, p_units) WITH ORDINALITY
         AS m (reference, debit_id, credit_id, units, place)
    LEFT JOIN ledger_account debit ON debit.id = m.debit_id
    ORDER BY m.place;
    GET DIAGNOSTICS v_moved = ROW_COUNT;
    RETURN v_moved;
END $$;
