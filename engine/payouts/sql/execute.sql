-- Step 1 of settlement, in one call and one commit: consume the quote, hold the funds,
-- create the payout and its first event, store the answer.
--
-- Refusals come back as an outcome, with nothing written; the caller words them. The
-- order of the checks is the order in which the contract lists its answers, and a replay
-- comes before all that can change for a quote of one's own. Two calls for one quote meet
-- on the quote's row, two for one key on the key's; whoever waits looks again afterwards.

-- Lets what a partner sends in a day be counted by one execute after the other. Before any
-- account is locked.
CREATE OR REPLACE FUNCTION payouts_lock_day(p_partner uuid) RETURNS void
LANGUAGE sql VOLATILE AS $$
    SELECT pg_advisory_xact_lock(hashtextextended(p_partner::text, 1))
$$;

-- Why a payout may not leave now; NULL when it may. Three tables that are nearly empty.
-- VOLATILE, since a STABLE function keeps its caller's snapshot: having waited for another
-- execute of the same partner, it would not see what that one spent.
CREATE OR REPLACE FUNCTION payouts_objection(q payouts_quote) RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    v_limit payouts_limit;
    v_spent numeric;
    -- A variable, since no index is searched for what clock_timestamp() says: each execute
    -- would read all that the partner ever sent.
    v_day timestamptz := date_trunc('day', clock_timestamp() AT TIME ZONE 'UTC')
                         AT TIME ZONE 'UTC';
BEGIN
    IF EXISTS (
        SELECT FROM payouts_freeze f
        WHERE f.lifted_at IS NULL AND f.network IN ('', q.from_network, q.to_network)
    ) THEN
        RETURN 'payouts_frozen';
    END IF;
    IF EXISTS (
        SELECT FROM payouts_blockeddestination b WHERE b.destination = q.destination
    ) THEN
        RETURN 'destination_blocked';
    END IF;
    IF NOT q.livemode THEN
        RETURN NULL;
    END IF;
    FOR v_limit IN
        SELECT * FROM payouts_limit l WHERE l.partner_id IS NULL OR l.partner_id = q.partner_id
    LOOP
        IF q.sent_usd_micros > v_limit.payout_usd_micros_max THEN
            RETURN 'limit_reached';
        END IF;
        IF v_limit.day_usd_micros_max IS NOT NULL THEN
            -- Two executes at once must not both see the sum without the other.
            PERFORM payouts_lock_day(q.partner_id);
            SELECT coalesce(sum(used.sent_usd_micros), 0) INTO v_spent
            FROM payouts_payout p JOIN payouts_quote used ON used.id = p.quote_id
            WHERE p.partner_id = q.partner_id AND p.livemode
              AND p.created_at >= v_day
              AND p.status NOT IN ('failed', 'cancelled');
            IF v_spent + q.sent_usd_micros > v_limit.day_usd_micros_max THEN
                RETURN 'limit_reached';
            END IF;
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- The answer was written when the quote was, all but the one moment nobody knew then.
CREATE OR REPLACE FUNCTION payouts_answer(p_answer text, p_promised_at timestamptz)
RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT convert_to(replace(p_answer, '{promised_at}',
        to_char(p_promised_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')), 'UTF8')
$$;

-- When delivery is promised to whoever executes a quote at p_now.
CREATE OR REPLACE FUNCTION payouts_promise(q payouts_quote, p_now timestamptz)
RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT date_trunc('milliseconds', p_now) + make_interval(secs => q.estimated_seconds)
$$;

-- Why a quote, NULL where there is none, is not the caller's to execute; NULL when it is.
CREATE OR REPLACE FUNCTION payouts_stranger(
    q payouts_quote, p_signature text, p_partner uuid, p_livemode boolean, p_door text
) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE
        WHEN q.id IS NULL OR q.signature <> p_signature THEN 'quote_invalid'
        WHEN q.partner_id <> p_partner OR q.livemode <> p_livemode OR q.door <> p_door
        THEN 'quote_not_found'
    END
$$;

-- Why the promise of a quote no longer stands; NULL when it does.
CREATE OR REPLACE FUNCTION payouts_spent(q payouts_quote, p_now timestamptz)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN q.used_at IS NOT NULL THEN 'quote_already_used'
                WHEN q.expires_at <= p_now THEN 'quote_expired' END
$$;

-- The rail that takes the payout, out of what services.rails_by_network() says; NULL when
-- none of ours does.
CREATE OR REPLACE FUNCTION payouts_rail(q payouts_quote, p_rails jsonb)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN q.livemode
                THEN coalesce(p_rails->>(q.to_network || ':' || q.asset),
                              p_rails->>q.to_network, p_rails->>'live')
                ELSE p_rails->>'test' END
$$;

-- Consumes quotes and writes their payouts, each with its first event. The caller has
-- locked the quotes, found nothing against any, and moves the funds.
CREATE OR REPLACE FUNCTION payouts_open(p_quotes uuid[], p_rails text[], p_now timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH used AS (
        UPDATE payouts_quote q SET used_at = p_now
        FROM unnest(p_quotes, p_rails) AS t (id, rail)
        WHERE q.id = t.id
        RETURNING q.*, t.rail, payouts_promise(q, p_now) AS promised_at
    ),
    opened AS (
        INSERT INTO payouts_payout (
            id, quote_id, partner_id, livemode, end_user_id, door, rail, asset, from_network,
            to_network, destination, units_sent, units_received, available_account_id,
            held_account_id, status, leg, steps, failure_code, promised_at,
            estimated_delivery_at, created_at, due_at, needs_review
        )
        SELECT payout_id, id, partner_id, livemode, end_user_id, door, rail, asset,
               from_network, to_network, destination, units_sent, units_received,
               available_account_id, held_account_id, 'pending', 1, 1, '', promised_at,
               promised_at, p_now, p_now, false
        FROM used
        RETURNING id
    )
    INSERT INTO payouts_payoutevent
        (payout_id, number, status, network, reference, happened_at)
    SELECT id, 1, 'pending', '', '', p_now FROM opened;
END $$;

-- What the movement is called that holds a payout's funds.
CREATE OR REPLACE FUNCTION payouts_hold(p_payout uuid)
RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT 'payout:' || replace(p_payout::text, '-', '') || ':hold'
$$;

-- What a key was answered since p_since: `replayed`, or `idempotency_conflict` when that
-- was another request; NULL when the key is free. STABLE will do: it waits for nobody, and
-- each call is a statement with a snapshot of its own.
CREATE OR REPLACE FUNCTION payouts_replay(
    p_partner uuid, p_livemode boolean, p_key text, p_fingerprint bytea, p_since timestamptz,
    OUT outcome text, OUT answer_status integer, OUT answer bytea
) LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT CASE WHEN s.fingerprint = p_fingerprint
                THEN 'replayed' ELSE 'idempotency_conflict' END, s.status, s.body
    INTO outcome, answer_status, answer
    FROM partners_storedanswer s
    WHERE s.partner_id = p_partner AND s.livemode = p_livemode AND s.key = p_key
      AND s.created_at > p_since;
END $$;

CREATE OR REPLACE FUNCTION payouts_execute(
    p_quote uuid, p_signature text, p_partner uuid, p_livemode boolean,
    p_key text, p_fingerprint bytea, p_replay interval, p_rails jsonb,
    p_door text,
    OUT outcome text, OUT answer_status integer, OUT answer bytea, OUT payout uuid
) LANGUAGE plpgsql AS $$
DECLARE
    q payouts_quote;
    v_now timestamptz;
    v_rail text;
BEGIN
    SELECT * INTO q FROM payouts_quote WHERE id = p_quote FOR UPDATE;
    outcome := payouts_stranger(q, p_signature, p_partner, p_livemode, p_door);
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    v_now := clock_timestamp();
    IF p_key IS NOT NULL THEN
        SELECT * INTO outcome, answer_status, answer
        FROM payouts_replay(p_partner, p_livemode, p_key, p_fingerprint, v_now - p_replay);
        IF outcome IS NOT NULL THEN
            RETURN;
        END IF;
    END IF;
    payout := q.payout_id;
    outcome := payouts_spent(q, v_now);
    IF outcome IS NOT NULL THEN
        IF outcome = 'quote_already_used' AND NOT q.livemode THEN
            SELECT payouts_answer(q.answer, p.promised_at) INTO answer
            FROM payouts_payout p WHERE p.id = q.payout_id;
        END IF;
        RETURN;
    END IF;
    outcome := payouts_objection(q);
    IF outcome IS NOT NULL THEN
        RETURN;
    END IF;
    v_rail := payouts_rail(q, p_rails);
    IF v_rail IS NULL THEN
        outcome := 'route_unavailable';
        RETURN;
    END IF;
    PERFORM FROM ledger_account a
    WHERE a.id = q.available_account_id AND a.balance >= q.units_sent FOR UPDATE;
    IF NOT FOUND THEN
        outcome := 'insufficient_funds';
        RETURN;
    END IF;

    answer := payouts_answer(q.answer, payouts_promise(q, v_now));
    IF p_key IS NOT NULL THEN
        -- Before anything else is written: should the key have been taken while we looked,
        -- there is nothing to undo.
        INSERT INTO partners_storedanswer AS s
            (partner_id, livemode, key, fingerprint, status, body, created_at)
        VALUES (p_partner, p_livemode, p_key, p_fingerprint, 201, answer, v_now)
        ON CONFLICT (partner_id, livemode, key) DO UPDATE
            SET fingerprint = excluded.fingerprint, status = excluded.status,
                body = excluded.body, created_at = excluded.created_at
            WHERE s.created_at <= v_now - p_replay;
        IF NOT FOUND THEN
            SELECT * INTO outcome, answer_status, answer
            FROM payouts_replay(p_partner, p_livemode, p_key, p_fingerprint, v_now - p_replay);
            RETURN;
        END IF;
    END IF;
    PERFORM payouts_open(ARRAY[q.id], ARRAY[v_rail], v_now);
    PERFORM ledger_move(
        payouts_hold(q.payout_id), q.available_account_id, q.held_account_id, q.units_sent
    );
    answer_status := 201;
    outcome := 'executed';
END $$;
