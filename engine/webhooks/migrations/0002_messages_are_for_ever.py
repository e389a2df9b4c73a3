"""What a partner was told, and what came back, is never changed or deleted."""

from django.db import migrations

FORWARD = """
CREATE FUNCTION webhooks_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% rows are for ever', TG_TABLE_NAME
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = TG_NAME;
END $$;
CREATE TRIGGER message_is_for_ever BEFORE UPDATE OR DELETE ON webhooks_message
    FOR EACH ROW EXECUTE FUNCTION webhooks_refuse_change();
CREATE TRIGGER attempt_is_for_ever BEFORE UPDATE OR DELETE ON webhooks_attempt
    FOR EACH ROW EXECUTE FUNCTION webhooks_refuse_change();
ALTER TABLE webhooks_message ENABLE ALWAYS TRIGGER message_is_for_ever;
ALTER TABLE webhooks_attempt ENABLE ALWAYS TRIGGER attempt_is_for_ever;
"""

BACKWARD = """
DROP TRIGGER attempt_is_for_ever ON webhooks_attempt;
DROP TRIGGER message_is_for_ever ON webhooks_message;
DROP FUNCTION webhooks_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("webhooks", "0001_initial")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
