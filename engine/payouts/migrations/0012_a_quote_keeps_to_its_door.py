"""A quote is executed through the door that made it; float credits are for ever.

ALWAYS, so that a replication role does not switch the triggers off.
"""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).parent.parent / "sql"
DROP = """
DROP FUNCTION IF EXISTS
    payouts_execute(uuid, text, uuid, boolean, text, bytea, interval, jsonb);
"""


GUARD = """
CREATE TRIGGER float_credit_is_for_ever BEFORE UPDATE OR DELETE ON payouts_floatcredit
    FOR EACH ROW EXECUTE FUNCTION payouts_refuse_change();
CREATE TRIGGER float_credits_are_never_emptied BEFORE TRUNCATE ON payouts_floatcredit
    FOR EACH STATEMENT EXECUTE FUNCTION payouts_refuse_change();
ALTER TABLE payouts_floatcredit ENABLE ALWAYS TRIGGER float_credit_is_for_ever;
ALTER TABLE payouts_floatcredit ENABLE ALWAYS TRIGGER float_credits_are_never_emptied;
"""
UNGUARD = """
DROP TRIGGER float_credit_is_for_ever ON payouts_floatcredit;
DROP TRIGGER float_credits_are_never_emptied ON payouts_floatcredit;
"""


class Migration(migrations.Migration):
    dependencies = [("payouts", "0011_first_gateway_fees")]
    operations = [
        migrations.RunSQL(DROP, migrations.RunSQL.noop),
        migrations.RunSQL((SQL / "execute.sql").read_text(), migrations.RunSQL.noop),
        migrations.RunSQL(GUARD, UNGUARD),
    ]
