-- What not even the tables' owner does by accident: change a promise, skip a step, forget
-- a step. ALWAYS, so that a replication role does not switch them off.
--
-- All of it is OR REPLACE: a migration that changes one of them runs this file again.

CREATE OR REPLACE FUNCTION payouts_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are for ever', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE OR REPLACE FUNCTION payouts_quote_keeps_its_promise() RETURNS trigger
LANGUAGE plpgsql AS $$
DECLARE
    v_then timestamptz := NEW.used_at;
BEGIN
    -- A test quote is derived from the request; until it is executed, asking again
    -- refreshes it. Rows are compared as they are: as jsonb it takes as long as the execute.
    NEW.used_at := OLD.used_at;
    IF OLD.used_at IS NULL AND (NOT OLD.livemode OR NEW IS NOT DISTINCT FROM OLD) THEN
        NEW.used_at := v_then;
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'quote % is a promise', OLD.id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

-- The same edges as engine/payouts/states.py; a test holds the two equal.
CREATE OR REPLACE FUNCTION payouts_step_is_legal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF (OLD.status, NEW.status) IN (
        ('pending', 'sending'), ('pending', 'failed'), ('pending', 'cancelled'),
        ('sending', 'broadcast'), ('sending', 'failed'),
        ('broadcast', 'delivered'), ('broadcast', 'failed')
    ) THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'a % payout cannot become %', OLD.status, NEW.status
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE OR REPLACE FUNCTION payouts_terms_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the terms of payout % are fixed', OLD.id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE OR REPLACE TRIGGER quote_keeps_its_promise BEFORE UPDATE ON payouts_quote
    FOR EACH ROW EXECUTE FUNCTION payouts_quote_keeps_its_promise();
CREATE OR REPLACE TRIGGER payout_step_is_legal BEFORE UPDATE ON payouts_payout
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
    EXECUTE FUNCTION payouts_step_is_legal();
CREATE OR REPLACE TRIGGER payout_terms_are_fixed BEFORE UPDATE ON payouts_payout
    FOR EACH ROW WHEN (
        (OLD.id, OLD.quote_id, OLD.partner_id, OLD.livemode, OLD.end_user_id, OLD.rail,
         OLD.asset, OLD.from_network, OLD.to_network, OLD.destination, OLD.units_sent,
         OLD.units_received, OLD.available_account_id, OLD.held_account_id)
        IS DISTINCT FROM
        (NEW.id, NEW.quote_id, NEW.partner_id, NEW.livemode, NEW.end_user_id, NEW.rail,
         NEW.asset, NEW.from_network, NEW.to_network, NEW.destination, NEW.units_sent,
         NEW.units_received, NEW.available_account_id, NEW.held_account_id)
    ) EXECUTE FUNCTION payouts_terms_are_fixed();
CREATE OR REPLACE TRIGGER payout_is_never_deleted BEFORE DELETE ON payouts_payout
    FOR EACH ROW EXECUTE FUNCTION payouts_refuse_change();
CREATE OR REPLACE TRIGGER payouts_are_never_emptied BEFORE TRUNCATE ON payouts_payout
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_refuse_change();
CREATE OR REPLACE TRIGGER payout_events_are_never_emptied BEFORE TRUNCATE
    ON payouts_payoutevent
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_refuse_change();
CREATE OR REPLACE TRIGGER payout_event_is_for_ever BEFORE UPDATE OR DELETE ON payouts_payoutevent
    FOR EACH ROW EXECUTE FUNCTION payouts_refuse_change();

ALTER TABLE payouts_quote ENABLE ALWAYS TRIGGER quote_keeps_its_promise;
ALTER TABLE payouts_payout ENABLE ALWAYS TRIGGER payout_step_is_legal;
ALTER TABLE payouts_payout ENABLE ALWAYS TRIGGER payout_terms_are_fixed;
ALTER TABLE payouts_payout ENABLE ALWAYS TRIGGER payout_is_never_deleted;
ALTER TABLE payouts_payout ENABLE ALWAYS TRIGGER payouts_are_never_emptied;
ALTER TABLE payouts_payoutevent ENABLE ALWAYS TRIGGER payout_event_is_for_ever;
ALTER TABLE payouts_payoutevent ENABLE ALWAYS TRIGGER payout_events_are_never_emptied;
