"""A payment ends as its payout did, and takes up a new one only when the last is given up.

The accounts would refuse a second payout as well, since there is nothing left to hold.
"""

from django.db import migrations

GUARD = """
CREATE FUNCTION payments_follow_payout() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_last text := (SELECT status FROM payouts_payout WHERE id = OLD.payout_id);
BEGIN
    IF (NEW.status = 'succeeded') <> coalesce(v_last = 'delivered', false)
       OR (NEW.status = 'failed' OR NEW.payout_id IS DISTINCT FROM OLD.payout_id)
          AND v_last NOT IN ('failed', 'cancelled') THEN
        RAISE EXCEPTION 'payment % follows its payout, which is %', OLD.id, v_last
            USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER payment_follows_its_payout BEFORE UPDATE ON payments_payment
    FOR EACH ROW EXECUTE FUNCTION payments_follow_payout();
ALTER TABLE payments_payment ENABLE ALWAYS TRIGGER payment_follows_its_payout;
"""
UNGUARD = """
DROP TRIGGER payment_follows_its_payout ON payments_payment;
DROP FUNCTION payments_follow_payout();
"""


class Migration(migrations.Migration):
    dependencies = [("payments", "0001_initial"), ("payouts", "0014_float_reserves")]
    operations = [migrations.RunSQL(GUARD, UNGUARD)]
