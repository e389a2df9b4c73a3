"""PostgreSQL itself refuses to rewrite what was sent and what was answered.

ALWAYS, so that a replication role does not switch the triggers off.
"""

from django.db import migrations

FORWARD = """
CREATE FUNCTION rails_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are for ever', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

-- A live attempt may be closed, once, with its proof. Nothing else about it ever changes.
CREATE FUNCTION rails_attempt_only_closes() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.state = 'live'
        AND (OLD.id, OLD.payout_id, OLD.leg, OLD.number, OLD.rail, OLD.network,
             OLD.reference, OLD.payload, OLD.created_at)
            IS NOT DISTINCT FROM
            (NEW.id, NEW.payout_id, NEW.leg, NEW.number, NEW.rail, NEW.network,
             NEW.reference, NEW.payload, NEW.created_at)
    THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'attempt % is for ever', OLD.reference
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;

CREATE TRIGGER attempt_only_closes BEFORE UPDATE ON rails_attempt
    FOR EACH ROW EXECUTE FUNCTION rails_attempt_only_closes();
CREATE TRIGGER attempt_is_never_deleted BEFORE DELETE ON rails_attempt
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER attempts_are_never_emptied BEFORE TRUNCATE ON rails_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER send_evidence_is_for_ever BEFORE UPDATE OR DELETE ON rails_sendevidence
    FOR EACH ROW EXECUTE FUNCTION rails_refuse_change();
CREATE TRIGGER send_evidence_is_never_emptied BEFORE TRUNCATE ON rails_sendevidence
    FOR EACH STATEMENT EXECUTE FUNCTION rails_refuse_change();

ALTER TABLE rails_attempt ENABLE ALWAYS TRIGGER attempt_only_closes;
ALTER TABLE rails_attempt ENABLE ALWAYS TRIGGER attempt_is_never_deleted;
ALTER TABLE rails_attempt ENABLE ALWAYS TRIGGER attempts_are_never_emptied;
ALTER TABLE rails_sendevidence ENABLE ALWAYS TRIGGER send_evidence_is_for_ever;
ALTER TABLE rails_sendevidence ENABLE ALWAYS TRIGGER send_evidence_is_never_emptied;
"""

BACKWARD = """
DROP TRIGGER send_evidence_is_never_emptied ON rails_sendevidence;
DROP TRIGGER send_evidence_is_for_ever ON rails_sendevidence;
DROP TRIGGER attempts_are_never_emptied ON rails_attempt;
DROP TRIGGER attempt_is_never_deleted ON rails_attempt;
DROP TRIGGER attempt_only_closes ON rails_attempt;
DROP FUNCTION rails_attempt_only_closes();
DROP FUNCTION rails_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("rails", "0001_initial")]

    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
