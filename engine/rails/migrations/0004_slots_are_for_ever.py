"""PostgreSQL itself refuses to rewrite a slot's terms, or anything that was ever signed.

ALWAYS, so that a replication role does not switch the triggers off.
"""

from django.db import migrations

FORWARD = """
-- A nonce stands for one purpose. What became of it may be noted, nothing else.
CREATE FUNCTION rails_slot_terms_are_fixed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the terms of slot % are fixed', OLD.id
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

-- A nonce that went back would be signed twice.
CREATE FUNCTION rails_nonce_only_rises() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the nonce of % only rises', OLD.address
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER slot_terms_are_fixed BEFORE UPDATE ON rails_slot
    FOR EACH ROW WHEN (
        (OLD.id, OLD.wallet_id, OLD.nonce, OLD.kind, OLD.asset, OLD.units, OLD.destination,
         OLD.to_address, OLD.value_wei, OLD.calldata, OLD.gas_limit, OLD.created_at)
        IS DISTINCT FROM
        (NEW.id, NEW.wallet_id, NEW.nonce, NEW.kind, NEW.asset, NEW.units, NEW.destination,
         NEW.to_address, NEW.value_wei, NEW.calldata, NEW.gas_limit, NEW.created_at)
    ) EXECUTE FUNCTION rails_slot_terms_are_fixed();
CREATE TRIGGER slot_is_never_deleted BEFORE DELETE ON rails_slot
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER slots_are_never_emptied BEFORE TRUNCATE ON rails_slot
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER signed_is_for_ever BEFORE UPDATE OR DELETE ON rails_signedtransaction
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER signed_are_never_emptied BEFORE TRUNCATE ON rails_signedtransaction
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER wallet_nonce_only_rises BEFORE UPDATE ON rails_hotwallet
    FOR EACH ROW WHEN (
        NEW.next_nonce < OLD.next_nonce
        OR (OLD.network, OLD.address) IS DISTINCT FROM (NEW.network, NEW.address)
    ) EXECUTE FUNCTION rails_nonce_only_rises();

ALTER TABLE rails_slot ENABLE ALWAYS TRIGGER slot_terms_are_fixed;
ALTER TABLE rails_slot ENABLE ALWAYS TRIGGER slot_is_never_deleted;
ALTER TABLE rails_slot ENABLE ALWAYS TRIGGER slots_are_never_emptied;
ALTER TABLE rails_signedtransaction ENABLE ALWAYS TRIGGER signed_is_for_ever;
ALTER TABLE rails_signedtransaction ENABLE ALWAYS TRIGGER signed_are_never_emptied;
ALTER TABLE rails_hotwallet ENABLE ALWAYS TRIGGER wallet_nonce_only_rises;
"""

BACKWARD = """
DROP TRIGGER wallet_nonce_only_rises ON rails_hotwallet;
DROP TRIGGER signed_are_never_emptied ON rails_signedtransaction;
DROP TRIGGER signed_is_for_ever ON rails_signedtransaction;
DROP TRIGGER slots_are_never_emptied ON rails_slot;
DROP TRIGGER slot_is_never_deleted ON rails_slot;
DROP TRIGGER slot_terms_are_fixed ON rails_slot;
DROP FUNCTION rails_nonce_only_rises();
DROP FUNCTION rails_slot_terms_are_fixed();
"""


class Migration(migrations.Migration):
    dependencies = [("rails", "0003_wallets_and_chains")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
